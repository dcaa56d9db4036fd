/**
 * The answers of the reading API and the parameters of its routes, made from the OpenAPI document by
 * `python -m tools.api_types`; not edited by hand.
 */

export interface AllSites {
  sites: {
    site: string;
    timezone: string;
    from: string;
    to: string;
    fresh_through: string;
    source?: 'rollup' | 'raw';
    sampled?: number | null;
    stale?: true;
    warnings?: string[];
    removed?: {
      from: string;
      to: string;
      why: 'retention' | 'request';
      what: 'events' | 'counts';
    }[];
    metrics: Figures;
    points: {
      time: string;
      visitors?: number;
      pageviews?: number;
      events?: number;
      scroll_depth?: number | null;
      time_on_page?: number | null;
      visits?: number;
      views_per_visit?: number | null;
      bounce_rate?: number | null;
      visit_duration?: number | null;
      entries?: number;
      exits?: number;
      conversion_rate?: number | null;
      group_conversion_rate?: number | null;
      total_revenue?: {
        amount: string;
        currency: string;
      }[];
      average_revenue?: {
        amount: string;
        currency: string;
      }[];
    }[];
  }[];
}

export interface Bots {
  site: string;
  timezone: string;
  from: string;
  to: string;
  fresh_through: string;
  source?: 'rollup' | 'raw';
  sampled?: number | null;
  stale?: true;
  warnings?: string[];
  removed?: {
    from: string;
    to: string;
    why: 'retention' | 'request';
    what: 'events' | 'counts';
  }[];
  events: number;
  total_rows: number;
  rows: {
    bot: string;
    events: number;
  }[];
}

export interface Error {
  error: {
    field: string | null;
    message: string;
  };
}

export interface Figures {
  visitors?: number;
  pageviews?: number;
  events?: number;
  scroll_depth?: number | null;
  time_on_page?: number | null;
  visits?: number;
  views_per_visit?: number | null;
  bounce_rate?: number | null;
  visit_duration?: number | null;
  entries?: number;
  exits?: number;
  conversion_rate?: number | null;
  group_conversion_rate?: number | null;
  total_revenue?: {
    amount: string;
    currency: string;
  }[];
  average_revenue?: {
    amount: string;
    currency: string;
  }[];
}

export interface Funnel {
  site: string;
  timezone: string;
  from: string;
  to: string;
  fresh_through: string;
  source?: 'rollup' | 'raw';
  sampled: number | null;
  stale?: true;
  warnings?: string[];
  removed?: {
    from: string;
    to: string;
    why: 'retention' | 'request';
    what: 'events' | 'counts';
  }[];
  steps: {
    step: string;
    visitors: number;
    conversion_rate: number | null;
    conversion_rate_step: number | null;
    drop_off: number;
  }[];
}

export interface Journeys {
  site: string;
  timezone: string;
  from: string;
  to: string;
  fresh_through: string;
  source?: 'rollup' | 'raw';
  sampled: number | null;
  stale?: true;
  warnings?: string[];
  removed?: {
    from: string;
    to: string;
    why: 'retention' | 'request';
    what: 'events' | 'counts';
  }[];
  rows: {
    page: string;
    next: string;
    visits: number;
    views: number;
  }[];
}

export interface List {
  site: string;
  timezone: string;
  from: string;
  to: string;
  fresh_through: string;
  source?: 'rollup' | 'raw';
  sampled?: number | null;
  stale?: true;
  warnings?: string[];
  removed?: {
    from: string;
    to: string;
    why: 'retention' | 'request';
    what: 'events' | 'counts';
  }[];
  total_rows: number;
  rows: {
    browser?: string;
    campaign?: string;
    channel?: string;
    city?: string;
    country?: string;
    device?: string;
    geoname_id?: string;
    goal?: string;
    hostname?: string;
    name?: string;
    os?: string;
    page?: string;
    property?: string;
    referrer?: string;
    region?: string;
    source?: string;
    utm_campaign?: string;
    utm_content?: string;
    utm_medium?: string;
    utm_source?: string;
    utm_term?: string;
    value?: string;
    version?: string;
    visitors?: number;
    pageviews?: number;
    events?: number;
    scroll_depth?: number | null;
    time_on_page?: number | null;
    visits?: number;
    views_per_visit?: number | null;
    bounce_rate?: number | null;
    visit_duration?: number | null;
    entries?: number;
    exits?: number;
    conversion_rate?: number | null;
    group_conversion_rate?: number | null;
    total_revenue?: {
      amount: string;
      currency: string;
    }[];
    average_revenue?: {
      amount: string;
      currency: string;
    }[];
    comparison?: Figures;
  }[];
  comparison?: {
    from: string;
    to: string;
  };
}

export interface Notes {
  notes: {
    id: number;
    day: string;
    text: string;
  }[];
}

export interface Points {
  site: string;
  timezone: string;
  from: string;
  to: string;
  fresh_through: string;
  source?: 'rollup' | 'raw';
  sampled?: number | null;
  stale?: true;
  warnings?: string[];
  removed?: {
    from: string;
    to: string;
    why: 'retention' | 'request';
    what: 'events' | 'counts';
  }[];
  interval: 'hour' | 'day' | 'week' | 'month';
  points: {
    time: string;
    visitors?: number;
    pageviews?: number;
    events?: number;
    scroll_depth?: number | null;
    time_on_page?: number | null;
    visits?: number;
    views_per_visit?: number | null;
    bounce_rate?: number | null;
    visit_duration?: number | null;
    entries?: number;
    exits?: number;
    conversion_rate?: number | null;
    group_conversion_rate?: number | null;
    total_revenue?: {
      amount: string;
      currency: string;
    }[];
    average_revenue?: {
      amount: string;
      currency: string;
    }[];
  }[];
  comparison?: {
    from: string;
    to: string;
    points: {
      time: string;
      visitors?: number;
      pageviews?: number;
      events?: number;
      scroll_depth?: number | null;
      time_on_page?: number | null;
      visits?: number;
      views_per_visit?: number | null;
      bounce_rate?: number | null;
      visit_duration?: number | null;
      entries?: number;
      exits?: number;
      conversion_rate?: number | null;
      group_conversion_rate?: number | null;
      total_revenue?: {
        amount: string;
        currency: string;
      }[];
      average_revenue?: {
        amount: string;
        currency: string;
      }[];
    }[];
  };
}

export interface Realtime {
  site: string;
  timezone: string;
  from: string;
  to: string;
  fresh_through: string;
  source?: 'rollup' | 'raw';
  sampled?: number | null;
  stale?: true;
  warnings?: string[];
  removed?: {
    from: string;
    to: string;
    why: 'retention' | 'request';
    what: 'events' | 'counts';
  }[];
  visitors: number;
  pageviews: number;
  minutes: number;
  points: {
    time: string;
    visitors?: number;
    pageviews?: number;
    events?: number;
    scroll_depth?: number | null;
    time_on_page?: number | null;
    visits?: number;
    views_per_visit?: number | null;
    bounce_rate?: number | null;
    visit_duration?: number | null;
    entries?: number;
    exits?: number;
    conversion_rate?: number | null;
    group_conversion_rate?: number | null;
    total_revenue?: {
      amount: string;
      currency: string;
    }[];
    average_revenue?: {
      amount: string;
      currency: string;
    }[];
  }[];
}

export interface Refreshed {
  site: string;
  refreshed: true;
}

export interface Segments {
  segments: {
    id: number;
    name: string;
    filters: unknown[];
  }[];
}

export interface ServerEvent {
  name: string;
  url: string;
  domain?: string;
  referrer?: string;
  props?: Record<string, unknown> | string;
  revenue?: Record<string, unknown> | string;
  interactive?: boolean;
  ip?: string;
  user_agent?: string;
  time?: number | string;
}

export interface Sites {
  sites: {
    domain: string;
    timezone: string;
    aliases: string[];
    role: 'viewer' | 'admin' | 'owner';
  }[];
  signed_in: boolean;
  operator: boolean;
}

export interface Taken {
  accepted: number;
  dropped: {
    index: number;
    reason: 'fast_reject' | 'malformed' | 'unknown_site' | 'rate_limit' | 'referrer_spam' | 'overload' | 'excluded' | 'erased' | 'no_visit';
    field?: string;
    message?: string;
  }[];
}

export interface TextError {
  error: string;
}

export interface Totals {
  site: string;
  timezone: string;
  from: string;
  to: string;
  fresh_through: string;
  source?: 'rollup' | 'raw';
  sampled?: number | null;
  stale?: true;
  warnings?: string[];
  removed?: {
    from: string;
    to: string;
    why: 'retention' | 'request';
    what: 'events' | 'counts';
  }[];
  metrics: Figures;
  comparison?: {
    from: string;
    to: string;
    metrics: Figures;
  };
}

/** What may be asked of each route, and what it answers. */
export interface Routes {
  '/api/notes': {
    params: {
      site: string;
    };
    answer: Notes;
  };
  '/api/segments': {
    params: {
      site: string;
    };
    answer: Segments;
  };
  '/api/sites': {
    params: Record<never, never>;
    answer: Sites;
  };
  '/api/stats/bots': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      limit?: number;
      offset?: number;
      format?: 'json' | 'csv';
    };
    answer: Bots;
  };
  '/api/stats/browser-versions': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      search?: string;
    };
    answer: List;
  };
  '/api/stats/browsers': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      search?: string;
    };
    answer: List;
  };
  '/api/stats/campaigns': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      search?: string;
      tag?: 'utm_campaign' | 'utm_source' | 'utm_medium' | 'utm_content' | 'utm_term';
    };
    answer: List;
  };
  '/api/stats/channels': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      search?: string;
    };
    answer: List;
  };
  '/api/stats/cities': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      search?: string;
    };
    answer: List;
  };
  '/api/stats/countries': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      search?: string;
    };
    answer: List;
  };
  '/api/stats/devices': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      search?: string;
    };
    answer: List;
  };
  '/api/stats/entry-pages': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      search?: string;
    };
    answer: List;
  };
  '/api/stats/events': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      search?: string;
    };
    answer: List;
  };
  '/api/stats/exit-pages': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      search?: string;
    };
    answer: List;
  };
  '/api/stats/funnel': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      format?: 'json' | 'csv';
      steps: string;
      window?: number;
    };
    answer: Funnel;
  };
  '/api/stats/goals': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      search?: string;
    };
    answer: List;
  };
  '/api/stats/hostnames': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      search?: string;
    };
    answer: List;
  };
  '/api/stats/journeys': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      format?: 'json' | 'csv';
      page?: string;
      limit?: number;
    };
    answer: Journeys;
  };
  '/api/stats/os': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      search?: string;
    };
    answer: List;
  };
  '/api/stats/os-versions': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      search?: string;
    };
    answer: List;
  };
  '/api/stats/overview': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
    };
    answer: Totals;
  };
  '/api/stats/pages': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      search?: string;
    };
    answer: List;
  };
  '/api/stats/properties': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      event?: string;
      property?: string;
    };
    answer: List;
  };
  '/api/stats/realtime': {
    params: {
      site: string;
    };
    answer: Realtime;
  };
  '/api/stats/referrers': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      search?: string;
    };
    answer: List;
  };
  '/api/stats/regions': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      search?: string;
    };
    answer: List;
  };
  '/api/stats/sites': {
    params: {
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      interval?: 'hour' | 'day' | 'week' | 'month';
    };
    answer: AllSites;
  };
  '/api/stats/sources': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      sort?: string;
      limit?: number;
      offset?: number;
      search?: string;
    };
    answer: List;
  };
  '/api/stats/trend': {
    params: {
      site: string;
      period?: 'day' | '7d' | '28d' | '30d' | '91d' | 'month' | '6mo' | '12mo' | 'year';
      date?: string;
      from?: string;
      to?: string;
      filters?: string;
      compare?: 'previous_period' | 'year_before' | 'custom';
      compare_from?: string;
      compare_to?: string;
      metrics?: string;
      format?: 'json' | 'csv';
      interval?: 'hour' | 'day' | 'week' | 'month';
    };
    answer: Points;
  };
}
