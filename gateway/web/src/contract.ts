/** What crosses the wire between the gateway and the page. Times are epoch milliseconds, values plain numbers. */

import type { Life, LifeLine, Living } from "./life";

export type Level = "OK" | "WARN" | "BLOCK" | "UNKNOWN";
export type Priority = "P0" | "P1" | "P2";
export type Side = "low" | "high";
export type Reason = "impossible" | "missing" | "late" | "stuck" | "sparse" | "engine_error";

export interface Rung {
  side: Side;
  priority: Priority;
  bound: number;
  entered: boolean;
  since: number | null;
}

export interface Evidence {
  count: number;
  late: number;
  topic: string;
  partition: number;
  first_offset: number | null;
  last_offset: number;
  rungs: Rung[];
}

export interface Status {
  namespace: string;
  id: string;
  tenant: string;
  subject: string;
  metric: string;
  level: Level;
  priority: Priority | null;
  reason: Reason | null;
  previous: { level: Level; priority: Priority | null; since: number } | null;
  value: number | null;
  fast_value: number | null;
  statistic: string;
  window_ms: number;
  bound: number | null;
  side: Side | null;
  since: number;
  /** Absent where the server leaves it out of lists; then `/api/v1/verdicts/{id}` has it. */
  evidence?: Evidence | null;
  config: string;
}

export type Bounds = Partial<Record<Priority, number | null>>;

/** How a metric is judged; a metric may override any of the defaults. Durations in ms. */
export interface Judging {
  statistic: string;
  window: number;
  slide: number;
  fast_window: number;
  fast_min_points: number;
  min_points: number;
  hysteresis: number;
  for: Record<Priority, number>;
  clear_for: number;
  missing_after: number;
  stuck_after: number;
}

export interface MetricConfig extends Partial<Judging> {
  label?: string;
  values?: [number, number];
  range?: [number, number] | null;
  optimal?: [number, number] | null;
  target?: number | null;
  low?: Bounds;
  high?: Bounds;
}

export interface Config {
  time: { allowed_lateness: number };
  /** Sizes of the windows that come out for as long as points go in (ms); absent where nobody makes any. */
  windows?: number[];
  defaults: Judging;
  metrics: Record<string, MetricConfig>;
  /** Null or absent: statuses alone. */
  living?: Living | null;
}

export interface Hello {
  type: "hello";
  epoch: string;
  server_time: number;
  namespaces: string[];
  config: Config | null;
  config_hash: string | null;
}

export interface SubjectSeen {
  namespace: string;
  tenant: string;
  subject: string;
  /** Greatest time of what the engine wrote of it. */
  last_ts: number | null;
}

export interface Snapshot {
  type: "snapshot";
  seq: number;
  server_time: number;
  /** Since when the gateway hears of windows (ms of its time). */
  began?: number;
  clock?: number;
  statuses: Status[];
  subjects: SubjectSeen[];
  /** How many statuses there are, if not all of them are in it. */
  total?: number;
  /** Subjects in whom something lives; absent from an older gateway. */
  lives?: LifeLine[];
  life?: Life;
}

export interface Delta {
  type: "delta";
  seq: number;
  server_time: number;
  /** Greatest time of what the engine wrote in the namespace (ms); `judged`: of the subject in focus. */
  clock?: number;
  judged?: number;
  statuses?: Status[];
  verdicts?: Status[];
  points?: [metric: string, ts: number, value: number][];
  sparks?: Record<string, number>;
  removed?: string[];
  lives?: LifeLine[];
  life?: Life;
}

export type ServerMessage =
  | Hello
  | Snapshot
  | Delta
  | { type: "resumed"; seq: number; judged?: number; life?: Life }
  | { type: "parts"; kafka: boolean; clickhouse: boolean }
  | { type: "pong"; server_time: number; echo: number }
  | { type: "error"; message: string };

export interface Subscribe {
  op: "subscribe";
  namespace: string;
  tenant: string | null;
  subject: string | null;
  points: boolean;
  /** Up to twenty updates a second in place of ten. */
  quick: boolean;
  /** Whose subject `subject` is; `tenant` alone filters the overview. */
  focus_tenant?: string;
  resume: { epoch: string; seq: number } | null;
}

/** Rows of `/api/v1/series`: start of the step, mean, min, max, number of points. */
export type SeriesRow = [ts: number, mean: number, min: number, max: number, count: number];

/** How `metric` is judged: its own settings over the defaults. */
export function judgingOf(config: Config, metric: string): Judging {
  const own = config.metrics[metric];
  if (!own) return config.defaults;
  const judging: Record<string, unknown> = { ...config.defaults };
  for (const key of Object.keys(config.defaults)) {
    const value = own[key as keyof Judging];
    if (value !== undefined && value !== null) judging[key] = value;
  }
  return judging as unknown as Judging;
}
