-- One hour of a site's day, for chaos/bench/rollups.py, which puts in the numbers behind each dollar sign.
-- A visitor's turns: page view, engagement, page view, engagement … and for one in twenty a custom event at the end.
-- Pages, sources, cities and agents are Zipf-distributed: the k-th is asked for 1/k as often as the first.
INSERT INTO $database.events_raw
    (site_id, ts, visitor, visit_id, day, hour, name, is_bot, pageviews, visit_start, bounce_delta, duration_delta,
    engaged_ms, scroll_depth, hostname, pathname, previous_pathname, referrer_name, channel, utm_campaign, country,
    region, city_id, city, device, browser, browser_version, os, os_version, goals, revenue, currency, entry_pathname,
    scroll_gain, scroll_views, log_id, lsn)
WITH
    (salt) -> toFloat64(cityHash64(person, salt, $day)) / 18446744073709551616. AS share,
    (salt, ranks) -> toUInt32(exp(share(salt) * log(ranks + 1))) AS zipf,
    (view) -> concat('/section/page-', toString(zipf(concat('page', toString(view)), $pages))) AS page,
    intDiv(number, $visitors) AS turn,
    number % $visitors AS person,
    if(turn = 2 * $views_each, 2, turn % 2) AS kind,
    least(intDiv(turn, 2), $views_each - 1) AS view,
    -- One visitor in five comes back for the last page an hour later.
    $day * 86400 + least(86399, toUInt32(pow(share('start'), 0.8) * 82000) + view * 90 + kind * 20
        + if(view = $views_each - 1 AND share('back') < 0.2, 3600, 0)) AS at,
    view = 0 OR (view = $views_each - 1 AND share('back') < 0.2) AS is_first_of_visit,
    zipf('source', $sources) AS source,
    zipf('city', $cities) AS place,
    zipf('agent', $agents) AS agent
SELECT
    1 AS site_id,
    toDateTime(at, 'UTC') AS ts,
    MD5(concat('$day', toString(person))) AS visitor,
    person AS visit_id,
    toDate($day) AS day,
    toDateTime(at - at % 3600, 'UTC') AS hour,
    ['pageview', 'engagement', 'Signup'][kind + 1] AS name,
    0 AS is_bot,
    kind = 0 AS pageviews,
    kind = 0 AND is_first_of_visit AS visit_start,
    multiIf(kind != 0, 0, is_first_of_visit, 1, view = 1, -1, 0) AS bounce_delta,
    if(kind = 0 AND is_first_of_visit, 0, 45) AS duration_delta,
    if(kind = 1, 20000 + person % 30000, 0) AS engaged_ms,
    if(kind = 1, 40 + person % 60, 255) AS scroll_depth,
    'example.com' AS hostname,
    page(view) AS pathname,
    if(kind = 0 AND is_first_of_visit, '', page(if(kind = 0, view - 1, view))) AS previous_pathname,
    if(source = 1, '', concat('source', toString(source))) AS referrer_name,
    if(source = 1, 'Direct', concat('Channel ', toString(source % 8))) AS channel,
    if(source % 5 = 0, concat('campaign', toString(person % 7)), '') AS utm_campaign,
    concat('C', toString(place % 40)) AS country,
    concat('C', toString(place % 40), '-', toString(place % 200)) AS region,
    place AS city_id,
    concat('City ', toString(place)) AS city,
    ['desktop', 'mobile', 'tablet'][agent % 3 + 1] AS device,
    concat('Browser', toString(agent % 9)) AS browser,
    toString(100 + agent % 40) AS browser_version,
    concat('OS', toString(agent % 6)) AS os,
    toString(10 + agent % 11) AS os_version,
    if(kind = 2, [toUInt32(1)], []) AS goals,
    if(kind = 2, 9900, 0) AS revenue,
    if(kind = 2, 'EUR', '') AS currency,
    if(is_first_of_visit, '', page(0)) AS entry_pathname,
    if(kind = 1, 40 + person % 60, 0) AS scroll_gain,
    kind = 1 AS scroll_views,
    7 AS log_id,
    $day * 10000000 + number AS lsn
FROM numbers($visitors * (2 * $views_each + 1))
WHERE intDiv(at, 3600) % 24 = $hour AND (kind != 2 OR person % 20 = 0)
SETTINGS max_insert_threads = 1, max_threads = 1, async_insert = 0
