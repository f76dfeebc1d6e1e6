/** The vitals, each in its bands, on one time axis. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Config, MetricConfig, Status } from "../contract";
import type { Focus } from "../live/focus";
import type { Row } from "../live/pulse";
import { ticks } from "../logic/axis";
import { bandsOf, boundsOf, rungsOf, scaleOf } from "../logic/bands";
import type { Curve } from "../logic/track";
import type { View } from "../logic/view";
import { VITALS } from "../logic/vitals";
import { Chip, namesOf } from "./bits";
import { Chart } from "./chart";
import { useSpeech } from "./speech";

const TALL = 140;
const LOW = 72;

const WEIGHT = { P2: 3, P1: 2, P0: 1 } as const;

function extent(curve: Curve): { lo: number; hi: number } {
  let lo = Number.POSITIVE_INFINITY;
  let hi = Number.NEGATIVE_INFINITY;
  for (const [low, high] of [
    [curve.lo, curve.hi],
    [curve.mean, curve.mean],
  ] as const) {
    for (let i = 0; i < low.length; i++) {
      const a = low[i];
      const b = high[i];
      if (a !== null && a !== undefined && a < lo) lo = a;
      if (b !== null && b !== undefined && b > hi) hi = b;
    }
  }
  return { lo, hi };
}

/** Spans (s) in which the metric was UNKNOWN, from its verdicts (newest first) and its present status. */
function unknownSpans(metric: string, verdicts: Status[], status: Status | undefined, end: number): [number, number][] {
  const mine = verdicts.filter((v) => v.metric === metric);
  if (status && !mine.some((v) => v.id === status.id)) mine.unshift(status);
  const spans: [number, number][] = [];
  let until = end;
  for (const { level, since } of mine) {
    if (level === "UNKNOWN") spans.push([since / 1000, until]);
    until = since / 1000;
  }
  return spans;
}

interface VitalProps {
  metric: string;
  config: MetricConfig | undefined;
  status: Status | undefined;
  focus: Focus;
  view: View;
  opened: Status | null;
  wallNow: number;
}

function Vital({ metric, config, status, focus, view, opened, wallNow }: VitalProps) {
  const { t, f, language } = useSpeech();
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<Chart | null>(null);
  const [hovered, setHovered] = useState<number | null>(null);
  const curve = view.curves.get(metric);
  const end = view.time / 1000;
  const height = config ? TALL : LOW;
  const { lo, hi } = curve ? extent(curve) : { lo: 1, hi: 0 };
  const value = curve?.mean.at(-1) ?? null;
  const stale = status && view.unjudged !== null ? view.unjudged : null;
  const level = stale === null ? (status?.level ?? null) : "UNKNOWN";

  useEffect(() => {
    if (!host.current) return;
    chart.current = new Chart(host.current, height, setHovered);
    return () => {
      chart.current?.destroy();
      chart.current = null;
    };
  }, [height]);

  useLayoutEffect(() => {
    if (!chart.current || !curve) return;
    const rungs = [...rungsOf(config?.low), ...rungsOf(config?.high)];
    chart.current.draw({
      curve,
      end,
      span: view.span,
      scale: scaleOf(config, lo, hi),
      bands: config ? bandsOf(config) : [],
      bounds: config
        ? boundsOf(config).map((bound) => ({
            value: bound,
            text: f.bound(bound),
            weight: Math.max(...rungs.filter((r) => r.bound === bound).map((r) => WEIGHT[r.priority])),
          }))
        : [],
      hatched: unknownSpans(metric, focus.verdicts, status, stale === null ? end : stale / 1000).concat(
        stale === null ? [] : [[stale / 1000, end]],
      ),
      marked: opened?.metric === metric ? opened.since / 1000 : null,
      level: value === null ? null : level,
    });
  });

  const [name, other] = namesOf(metric, config?.label, language);
  const track = focus.tracks.get(metric);
  const at = hovered !== null && curve ? hovered : null;
  const when = at === null ? undefined : curve?.x[at];
  return (
    <div class={`vital${config ? "" : " small"}`} data-metric={metric}>
      <div class="what">
        <h2 class="name">
          {name} {other && <span class="other">{other}</span>}
        </h2>
        <div class={`now ${level?.toLowerCase() ?? ""}`} data-testid={`now-${metric}`}>
          {f.value(value)}
        </div>
        {value === null && track?.last !== undefined && track.last !== null && (
          <div class="note">{t.vitals.lastSeen(f.value(track.last), f.moment(track.newest, wallNow))}</div>
        )}
      </div>
      <div
        class="chart"
        ref={host}
        role="img"
        aria-label={
          Number.isFinite(lo) && lo <= hi
            ? t.vitals.chart(name, f.value(lo), f.value(hi), f.value(value))
            : t.vitals.chartEmpty(name)
        }
      >
        {at !== null && when !== undefined && curve && (
          <div class="readout" aria-hidden="true">
            {f.clock(when * 1000)} · {t.vitals.mean} {f.value(curve.mean[at] ?? null)}
            {curve.lo[at] !== null &&
              ` · ${t.vitals.points} ${range(f.value(curve.lo[at] ?? null), f.value(curve.hi[at] ?? null))}`}
          </div>
        )}
      </div>
      <div class="standing">
        {status ? (
          <Chip level={status.level} priority={status.priority} stale={stale !== null} />
        ) : (
          <span class="mute">{config ? t.vitals.noPoints : t.vitals.noRule}</span>
        )}
        {status?.reason && <div class="note reason">{t.reason[status.reason]}</div>}
        {status && (
          <div class="note">
            {stale === null ? t.forAge(f.age(view.time - status.since)) : t.vitals.unjudged(f.moment(stale, wallNow))}
          </div>
        )}
        {config?.optimal && (
          <div class="note">{t.vitals.optimal(f.bound(config.optimal[0]), f.bound(config.optimal[1]))}</div>
        )}
      </div>
    </div>
  );
}

function range(a: string, b: string): string {
  return a === b ? a : `${a}–${b}`;
}

/** Metrics that the subject was never heard of: one quiet line each instead of an empty picture. */
function Absent({ metric, label }: { metric: string; label: string | undefined }) {
  const { t, language } = useSpeech();
  const [name, other] = namesOf(metric, label, language);
  return (
    <div class="vital absent">
      <h2 class="name">
        {name} {other && <span class="other">{other}</span>}
      </h2>
      <span class="mute">{t.vitals.noPoints}</span>
    </div>
  );
}

/** Metrics with a ladder: the four vitals as people know them, then the others by name. */
function judgedOf(config: Config): string[] {
  const place = (metric: string) => (VITALS as readonly string[]).indexOf(metric) >>> 0;
  return Object.keys(config.metrics).sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
}

interface Props {
  focus: Focus;
  row: Row | undefined;
  view: View;
  config: Config;
  opened: Status | null;
  live: boolean;
  wallNow: number;
}

export function Vitals({ focus, row, view, config, opened, live, wallNow }: Props) {
  const { t, f } = useSpeech();
  const judged = judgedOf(config);
  const more = [...view.curves.keys()].filter((m) => !judged.includes(m)).sort();
  const one = (metric: string) => {
    const status = row?.statuses.get(metric);
    if (!status && !view.curves.has(metric))
      return <Absent key={metric} metric={metric} label={config.metrics[metric]?.label} />;
    return (
      <Vital
        key={metric}
        metric={metric}
        config={config.metrics[metric]}
        status={status}
        focus={focus}
        view={view}
        opened={opened}
        wallNow={wallNow}
      />
    );
  };
  const end = view.time / 1000;
  return (
    <section class="panel vitals" id="vitals" tabIndex={-1} aria-label={t.vitals.label}>
      {judged.map(one)}
      {more.length > 0 && <h2 class="more">{t.vitals.more}</h2>}
      {more.map(one)}
      <div class="vital axis">
        <span class="note">
          {t.vitals.legend[0]}
          <br />
          {t.vitals.legend[1]}
        </span>
        <div class="scale" aria-hidden="true">
          {view.time > 0 &&
            ticks(end, view.span, live ? 0.22 : 0.3).map(({ at, ts }) => (
              <span key={ts} style={{ left: `${at * 100}%` }}>
                {view.span < 240 ? f.clock(ts) : f.hourMinute(ts)}
              </span>
            ))}
          <span class="last">{live || !view.time ? t.vitals.now : f.clock(view.time)}</span>
        </div>
        <span class="note">{focus.pastPoints === "loading" ? t.vitals.loading : ""}</span>
      </div>
      {focus.pastPoints === "failed" && <p class="note failed">{t.vitals.failed}</p>}
    </section>
  );
}
