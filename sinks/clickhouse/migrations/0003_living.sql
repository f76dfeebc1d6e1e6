-- What the living part of the engine says: budgets, signals, voices, alerts, escalations, actions. `ts` is the time of the
-- record (subject time; log time where people wait), `evidence`, `cause`, `terms`, `review` and `effect` are JSON.
CREATE TABLE IF NOT EXISTS budgets
(
    id String CODEC(ZSTD(1)),
    tenant LowCardinality(String),
    subject String CODEC(ZSTD(1)),
    metric LowCardinality(String),
    objective Float64 CODEC(ZSTD(1)),
    window_ms UInt64 CODEC(ZSTD(1)),
    bad_ms UInt64 CODEC(ZSTD(1)),
    remaining Float64 CODEC(ZSTD(1)),
    burn Map(String, Float64) CODEC(ZSTD(1)),
    bad Map(String, Float64) CODEC(ZSTD(1)),
    alert LowCardinality(Nullable(String)),
    previous LowCardinality(Nullable(String)),
    threshold Nullable(Float64) CODEC(ZSTD(1)),
    cause String CODEC(ZSTD(3)),
    config LowCardinality(String),
    ts DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    day Date CODEC(ZSTD(1)),
    INDEX by_id id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day) -- live only
ORDER BY (tenant, subject, ts, metric, id)
TTL day + INTERVAL 2 YEAR -- live only
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 1024;

-- Signals when a yes-or-no one changed (`changed` names them), and a regular sample of all that are known.
CREATE TABLE IF NOT EXISTS signals
(
    id String CODEC(ZSTD(1)),
    tenant LowCardinality(String),
    subject String CODEC(ZSTD(1)),
    changed Array(String) CODEC(ZSTD(1)),
    `values` Map(String, Float64) CODEC(ZSTD(1)),
    cause String CODEC(ZSTD(3)),
    config LowCardinality(String),
    ts DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    day Date CODEC(ZSTD(1)),
    INDEX by_id id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day) -- live only
ORDER BY (tenant, subject, ts, id)
TTL day + INTERVAL 90 DAY -- live only
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 1024;

CREATE TABLE IF NOT EXISTS voices
(
    id String CODEC(ZSTD(1)),
    tenant LowCardinality(String),
    subject String CODEC(ZSTD(1)),
    voice LowCardinality(String),
    event LowCardinality(String),
    priority LowCardinality(Nullable(String)),
    rule LowCardinality(Nullable(String)),
    terms String CODEC(ZSTD(3)),
    against LowCardinality(Nullable(String)),
    reason Nullable(String) CODEC(ZSTD(1)),
    leading LowCardinality(Nullable(String)),
    symbol LowCardinality(String),
    mode LowCardinality(Nullable(String)),
    active Array(String) CODEC(ZSTD(1)),
    queued Array(String) CODEC(ZSTD(1)),
    actions Array(String) CODEC(ZSTD(1)),
    dropped String CODEC(ZSTD(1)),
    by LowCardinality(Nullable(String)),
    why Nullable(String) CODEC(ZSTD(1)),
    evidence String CODEC(ZSTD(3)),
    config LowCardinality(String),
    ts DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    day Date CODEC(ZSTD(1)),
    INDEX by_id id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day) -- live only
ORDER BY (tenant, subject, ts, id)
TTL day + INTERVAL 365 DAY -- live only
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 1024;

-- Each state of each alert. `first` and `last` are log times, `since` is subject time.
CREATE TABLE IF NOT EXISTS alerts
(
    id String CODEC(ZSTD(1)),
    alert_id String CODEC(ZSTD(1)),
    tenant LowCardinality(String),
    subject String CODEC(ZSTD(1)),
    metric LowCardinality(String),
    kind LowCardinality(String),
    level LowCardinality(String),
    priority LowCardinality(String),
    state LowCardinality(String),
    previous LowCardinality(Nullable(String)),
    threshold Nullable(Float64) CODEC(ZSTD(1)),
    side LowCardinality(Nullable(String)),
    value Nullable(Float64) CODEC(ZSTD(1)),
    statistic LowCardinality(Nullable(String)),
    window_ms Nullable(UInt64) CODEC(ZSTD(1)),
    since DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    first DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    last DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    `group` LowCardinality(String),
    auto_actions Array(String) CODEC(ZSTD(1)),
    voice_triggers Array(String) CODEC(ZSTD(1)),
    chain LowCardinality(String),
    step UInt32 CODEC(ZSTD(1)),
    flapping UInt8 CODEC(ZSTD(1)),
    resolution LowCardinality(Nullable(String)),
    by LowCardinality(Nullable(String)),
    why Nullable(String) CODEC(ZSTD(1)),
    evidence String CODEC(ZSTD(3)),
    config LowCardinality(String),
    ts DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    day Date CODEC(ZSTD(1)),
    INDEX by_id id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_alert alert_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day) -- live only
ORDER BY (tenant, subject, alert_id, last, id)
TTL day + INTERVAL 2 YEAR -- live only
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 1024;

-- Steps of escalation, and the notifier's ledger: `by` is empty for the engine's records; the notifier's `id` is that of the
-- record that was due, and the state.
CREATE TABLE IF NOT EXISTS escalations
(
    id String CODEC(ZSTD(1)),
    by LowCardinality(String),
    alert_id String CODEC(ZSTD(1)),
    tenant LowCardinality(String),
    subject String CODEC(ZSTD(1)),
    metric LowCardinality(String),
    priority LowCardinality(String),
    level LowCardinality(String),
    kind LowCardinality(String),
    step UInt32 CODEC(ZSTD(1)),
    role LowCardinality(String),
    who LowCardinality(String),
    channel LowCardinality(String),
    state LowCardinality(String),
    reason Nullable(String) CODEC(ZSTD(1)),
    due DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    dedup_key String CODEC(ZSTD(1)),
    summary String CODEC(ZSTD(1)),
    value Nullable(Float64) CODEC(ZSTD(1)),
    threshold Nullable(Float64) CODEC(ZSTD(1)),
    config LowCardinality(String),
    ts DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    day Date CODEC(ZSTD(1)),
    INDEX by_id id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_alert alert_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day) -- live only
ORDER BY (tenant, subject, due, id)
TTL day + INTERVAL 2 YEAR -- live only
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 1024;

-- Each state of each automatic action. `until` is log time.
CREATE TABLE IF NOT EXISTS actions
(
    id String CODEC(ZSTD(1)),
    action_id String CODEC(ZSTD(1)),
    tenant LowCardinality(String),
    subject String CODEC(ZSTD(1)),
    action LowCardinality(String),
    metric LowCardinality(String),
    level LowCardinality(String),
    state LowCardinality(String),
    previous LowCardinality(Nullable(String)),
    strength UInt8 CODEC(ZSTD(1)),
    review String CODEC(ZSTD(1)),
    effect String CODEC(ZSTD(1)),
    until Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    by LowCardinality(Nullable(String)),
    why Nullable(String) CODEC(ZSTD(1)),
    evidence String CODEC(ZSTD(3)),
    config LowCardinality(String),
    ts DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    day Date CODEC(ZSTD(1)),
    INDEX by_id id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day) -- live only
ORDER BY (tenant, subject, action_id, ts, id)
TTL day + INTERVAL 2 YEAR -- live only
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 1024;

-- For people: one row of each, whatever a table holds before its parts are merged.
CREATE OR REPLACE VIEW v_budgets AS SELECT * EXCEPT (day) FROM budgets FINAL;

CREATE OR REPLACE VIEW v_signals AS SELECT * EXCEPT (day) FROM signals FINAL;

CREATE OR REPLACE VIEW v_voices AS SELECT * EXCEPT (day) FROM voices FINAL;

CREATE OR REPLACE VIEW v_alerts AS SELECT * EXCEPT (day) FROM alerts FINAL;

CREATE OR REPLACE VIEW v_escalations AS SELECT * EXCEPT (day) FROM escalations FINAL;

CREATE OR REPLACE VIEW v_actions AS SELECT * EXCEPT (day) FROM actions FINAL;

-- As things stand. An id begins with its place in the log (partition-offset-index-n-…), so of one subject the greatest is
-- the latest, whatever was written again and when.
CREATE OR REPLACE VIEW v_budgets_now AS
SELECT * EXCEPT (day) FROM budgets FINAL
ORDER BY arrayMap(part -> toUInt64OrZero(part), arraySlice(splitByChar('-', id), 2, 3)) DESC
LIMIT 1 BY tenant, subject, metric;

CREATE OR REPLACE VIEW v_voices_now AS
SELECT tenant, subject, voice, voice = ifNull(leading, '') AS leads, symbol, mode, ts AS at
FROM
(
    SELECT tenant, subject, active, leading, symbol, mode, ts FROM voices FINAL
    ORDER BY arrayMap(part -> toUInt64OrZero(part), arraySlice(splitByChar('-', id), 2, 3)) DESC
    LIMIT 1 BY tenant, subject
)
ARRAY JOIN active AS voice;

CREATE OR REPLACE VIEW v_alerts_now AS
SELECT * FROM
(
    SELECT * EXCEPT (day) FROM alerts FINAL
    ORDER BY arrayMap(part -> toUInt64OrZero(part), arraySlice(splitByChar('-', id), 2, 3)) DESC
    LIMIT 1 BY alert_id
)
WHERE state != 'resolved';

CREATE OR REPLACE VIEW v_actions_now AS
SELECT * FROM
(
    SELECT * EXCEPT (day) FROM actions FINAL
    ORDER BY arrayMap(part -> toUInt64OrZero(part), arraySlice(splitByChar('-', id), 2, 3)) DESC
    LIMIT 1 BY action_id
)
WHERE state NOT IN ('refused', 'effective', 'ineffective', 'expired');

-- Each step that became due and what became of it; `state` is `due` while nobody has been told.
CREATE OR REPLACE VIEW v_notifications AS
SELECT
    due.id AS id, due.alert_id AS alert_id, due.tenant AS tenant, due.subject AS subject, due.metric AS metric,
    due.priority AS priority, due.kind AS kind, due.step AS step, due.role AS role, due.who AS who, due.channel AS channel,
    due.summary AS summary, due.due AS due, if(told.id = '', 'due', toString(told.state)) AS state, told.reason AS reason,
    if(told.id = '', NULL, told.ts) AS ended
FROM (SELECT * FROM escalations FINAL WHERE by = '' AND state = 'due') AS due
LEFT JOIN (SELECT * FROM escalations FINAL WHERE by = 'notify') AS told
    ON told.alert_id = due.alert_id AND substring(told.id, 1, length(told.id) - length(toString(told.state)) - 1) = due.id;
