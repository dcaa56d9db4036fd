-- Some sites' day, for chaos/bench/query_data.py, which puts in the numbers behind each dollar sign. The sites are Zipf-sized:
-- the k-th has 1/k of the first one's visitors. A visit is $views_each page views; one in twenty ends with a Signup.
INSERT INTO $database.events_raw
    (site_id, ts, visitor, visit_id, day, hour, name, is_bot, pageviews, visit_start, bounce_delta, duration_delta,
    hostname, pathname, previous_pathname, referrer, referrer_name, channel, utm_campaign, country, region, city_id,
    city, device, browser, browser_version, os, os_version, goals, revenue, currency, entry_pathname, log_id, lsn)
WITH
    number % $views AS view,
    intDiv(number, $views) AS person,
    (salt) -> toFloat64(cityHash64(person, salt, $day)) / 18446744073709551616. AS share,
    (salt, ranks) -> toUInt32(exp(share(salt) * log(ranks + 1))) AS zipf,
    (nth) -> concat('/section/page-', toString(zipf(concat('page', toString(nth)), $pages))) AS page,
    if($only_site > 0, $only_site, zipf('site', $sites)) AS site,
    view = $views - 1 AND person % 20 = 0 AS is_signup,
    $day * 86400 + least(86399, toUInt32(share('start') * 84000) + view * 90) AS at,
    indexOf([1, 2, 3, 5, 10, 30, 100, 300, 900, 1000], site) AS goal,
    zipf('source', 400) AS source,
    zipf('city', 20000) AS place,
    zipf('agent', 2000) AS agent
SELECT
    site, toDateTime(at, 'UTC'), MD5(concat('$day', toString(person))), person, toDate($day),
    toDateTime(at - at % 3600, 'UTC'), if(is_signup, 'Signup', 'pageview'), 0, NOT is_signup, view = 0,
    multiIf(view = 0, 1, view = 1, -1, 0), if(view = 0, 0, 90), 'example.com', page(view),
    if(view = 0, '', page(view - 1)), if(source = 1, '', concat('ref', toString(source), '.example/')),
    if(source = 1, '', concat('source', toString(source))),
    if(source = 1, 'Direct', concat('Channel ', toString(source % 8))),
    if(source % 5 = 0, concat('campaign', toString(person % 7)), ''), concat('C', toString(place % 40)),
    concat('C', toString(place % 40), '-', toString(place % 200)), place, concat('City ', toString(place)),
    ['desktop', 'mobile', 'tablet'][agent % 3 + 1], concat('Browser', toString(agent % 9)),
    toString(100 + agent % 40), concat('OS', toString(agent % 6)), toString(10 + agent % 11),
    if(is_signup AND goal > 0, [toUInt32(goal)], []), if(is_signup, 9900, 0), if(is_signup, 'EUR', ''),
    if(view = 0, '', page(0)), 7, $day * 1000000000 + number
FROM numbers($first, $rows)
SETTINGS max_insert_threads = 1, max_threads = 1, async_insert = 0, min_insert_block_size_rows = 1048449,
    max_block_size = 1048449, min_insert_block_size_bytes = 0, max_insert_block_size = 1048449
