-- Points as they came, every well-formed one: late and refused-by-time ones too (dead_letters tells which).
-- One row a position in the log; `day` is that of the record, so that a point sent again tomorrow is another row.
CREATE TABLE IF NOT EXISTS points
(
    tenant LowCardinality(String),
    subject String CODEC(ZSTD(1)),
    metric LowCardinality(String),
    value Float64 CODEC(ZSTD(1)),
    ts DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    source LowCardinality(String),
    partition UInt16 CODEC(ZSTD(1)),
    offset UInt64 CODEC(Delta(8), ZSTD(1)),
    idx UInt32 CODEC(Delta(4), ZSTD(1)),
    day Date CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY day -- live only
ORDER BY (tenant, subject, metric, ts, partition, offset, idx)
TTL day + INTERVAL 8 DAY -- live only
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 4096, ttl_only_drop_parts = 1;

-- Final windows; `day` is that of the window's end.
CREATE TABLE IF NOT EXISTS windows
(
    id String CODEC(ZSTD(1)),
    tenant LowCardinality(String),
    subject String CODEC(ZSTD(1)),
    metric LowCardinality(String),
    start DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    size_ms UInt32 CODEC(ZSTD(1)),
    count UInt64 CODEC(T64, ZSTD(1)),
    mean Float64 CODEC(ZSTD(1)),
    min Float64 CODEC(ZSTD(1)),
    max Float64 CODEC(ZSTD(1)),
    last Float64 CODEC(ZSTD(1)),
    stddev Float64 CODEC(ZSTD(1)),
    p50 Nullable(Float64) CODEC(ZSTD(1)),
    p95 Nullable(Float64) CODEC(ZSTD(1)),
    late UInt64 CODEC(T64, ZSTD(1)),
    day Date CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY (size_ms >= 60000, toYYYYMM(day)) -- live only
ORDER BY (tenant, subject, metric, size_ms, start, id)
TTL day + INTERVAL 90 DAY DELETE WHERE size_ms < 60000, day + INTERVAL 2 YEAR DELETE WHERE size_ms >= 60000 -- live only
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 4096;

-- Every change of a level. `previous` and `evidence` are JSON.
CREATE TABLE IF NOT EXISTS status
(
    id String CODEC(ZSTD(1)),
    tenant LowCardinality(String),
    subject String CODEC(ZSTD(1)),
    metric LowCardinality(String),
    level LowCardinality(String),
    priority LowCardinality(Nullable(String)),
    reason LowCardinality(Nullable(String)),
    previous String CODEC(ZSTD(1)),
    value Nullable(Float64) CODEC(ZSTD(1)),
    fast_value Nullable(Float64) CODEC(ZSTD(1)),
    statistic LowCardinality(String),
    window_ms UInt32 CODEC(ZSTD(1)),
    bound Nullable(Float64) CODEC(ZSTD(1)),
    side LowCardinality(Nullable(String)),
    since DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    evidence String CODEC(ZSTD(3)),
    config LowCardinality(String),
    day Date CODEC(ZSTD(1)),
    INDEX by_id id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_since since TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day) -- live only
ORDER BY (tenant, subject, since, metric, id)
TTL day + INTERVAL 2 YEAR -- live only
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 1024;

-- The latest status of each metric: of one key the row that stands last on `slo.current`.
CREATE TABLE IF NOT EXISTS current
(
    id String,
    tenant LowCardinality(String),
    subject String,
    metric LowCardinality(String),
    level LowCardinality(String),
    priority LowCardinality(Nullable(String)),
    reason LowCardinality(Nullable(String)),
    previous String,
    value Nullable(Float64),
    fast_value Nullable(Float64),
    statistic LowCardinality(String),
    window_ms UInt32,
    bound Nullable(Float64),
    side LowCardinality(Nullable(String)),
    since DateTime64(3, 'UTC'),
    evidence String,
    config LowCardinality(String),
    offset UInt64,
    gone UInt8
)
ENGINE = ReplacingMergeTree(offset)
ORDER BY (tenant, subject, metric)
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 1024;

-- What was refused, and why. `bytes` is base64, as on the topic; what was refused over HTTP has position -1.
CREATE TABLE IF NOT EXISTS dead_letters
(
    id String CODEC(ZSTD(1)),
    reason LowCardinality(String),
    detail String CODEC(ZSTD(1)),
    tenant Nullable(String) CODEC(ZSTD(1)),
    subject Nullable(String) CODEC(ZSTD(1)),
    metric Nullable(String) CODEC(ZSTD(1)),
    topic LowCardinality(String),
    partition Int32 CODEC(ZSTD(1)),
    offset Int64 CODEC(Delta(8), ZSTD(1)),
    `index` UInt32 CODEC(ZSTD(1)),
    bytes String CODEC(ZSTD(3)),
    ts DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    day Date CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day) -- live only
ORDER BY (partition, offset, `index`, id)
TTL day + INTERVAL 30 DAY -- live only
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 1024;
