"""The scenarios, by letter."""

from chaos.scenarios.a_upstream_cut import UpstreamCut
from chaos.scenarios.b_mobile_curfew import MobileCurfew
from chaos.scenarios.c_connection_resets import ConnectionResets
from chaos.scenarios.contract import Scenario
from chaos.scenarios.d_degraded_path import DegradedPath
from chaos.scenarios.e_clickhouse_outage import ClickHouseOutage
from chaos.scenarios.f_clock_skew import ClockSkew
from chaos.scenarios.g_sigkill import Sigkill
from chaos.scenarios.h_disk_full import DiskFull
from chaos.scenarios.i_io_errors import IoErrors
from chaos.scenarios.j_torn_log import TornLog
from chaos.scenarios.k_poison_row import PoisonRow
from chaos.scenarios.l_power_loss import PowerLoss

SCENARIOS: dict[str, type[Scenario]] = {
    scenario.letter: scenario
    for scenario in (
        UpstreamCut,
        MobileCurfew,
        ConnectionResets,
        DegradedPath,
        ClickHouseOutage,
        ClockSkew,
        Sigkill,
        DiskFull,
        IoErrors,
        TornLog,
        PoisonRow,
        PowerLoss,
    )
}
