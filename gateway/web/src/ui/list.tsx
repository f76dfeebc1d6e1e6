/** All subjects, those in need first. Only the rows in view exist, so five thousand cost what thirty do. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Config, Priority } from "../contract";
import { useBeat } from "../live/beat";
import type { Pulse, Row } from "../live/pulse";
import { levelOf } from "../logic/bands";
import { inNeed, matches, rank } from "../logic/need";
import { levelText } from "../logic/why";
import { Icon, LevelGlyph, VoiceGlyph } from "./glyph";
import { voiceName } from "./scene";
import { useSpeech } from "./speech";

const ROW = 32;
const AHEAD = 6;

function Sparkline({ values }: { values: number[] }) {
  if (values.length < 2) return <svg class="sparkline" width="64" height="16" aria-hidden="true" />;
  const lo = Math.min(...values);
  const hi = Math.max(...values);
  // Noise of a few hundredths shall look like noise: a tenth of the scale is the least that fills the height.
  const span = Math.max(hi - lo, 0.1 * Math.max(1, Math.abs(hi)));
  const middle = (lo + hi) / 2;
  const points = values
    .map(
      (v, i) => `${((i / (values.length - 1)) * 63 + 0.5).toFixed(1)},${(8 - ((v - middle) / span) * 13).toFixed(1)}`,
    )
    .join(" ");
  return (
    <svg class="sparkline" width="64" height="16" aria-hidden="true">
      <polyline points={points} fill="none" stroke="currentColor" stroke-width="1.2" stroke-linejoin="round" />
    </svg>
  );
}

/** The metrics for which a subject stands where it stands in the list. */
function culprits(row: Row): string[] {
  const worst = rank(row.need.level, row.need.priority);
  return [...row.statuses.values()].filter((s) => rank(s.level, s.priority) === worst).map((s) => s.metric);
}

/** An alert that fires though the level no longer tells why. */
function Firing({ priority }: { priority: Priority }) {
  const { t } = useSpeech();
  const level = levelOf(priority);
  return (
    <span class={`firing ${level.toLowerCase()}`}>
      <LevelGlyph level={level} size={8} /> {priority}
      <span class="sr"> {t.life.alerts.still}</span>
    </span>
  );
}

/** Who leads in a subject; nothing where all are silent. */
function Speaker({ voice, config }: { voice: string | null; config: Config | null }) {
  const { t } = useSpeech();
  if (voice === null) return null;
  const said = t.life.voices.list(config ? voiceName(voice, config) : voice);
  return (
    <span class="speaker" title={said}>
      <VoiceGlyph voice={voice} size={16} />
      <span class="sr">{said}</span>
    </span>
  );
}

interface Props {
  pulse: Pulse;
  onSelect: (tenant: string, subject: string) => void;
  onNamespace: (namespace: string) => void;
}

export function List({ pulse, onSelect, onNamespace }: Props) {
  useBeat(pulse.slow);
  const { t, f, language } = useSpeech();
  const [query, setQuery] = useState("");
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const scroller = useRef<HTMLDivElement>(null);

  const all = pulse.list();
  const shown = useMemo(
    () => (query.trim() ? all.filter((row) => matches(row.name, query.trim())) : all),
    [all, query],
  );
  const needy = useMemo(() => all.filter((row) => inNeed(row.need)).length, [all]);
  const manyTenants = useMemo(() => new Set(all.map((row) => row.tenant)).size > 1, [all]);

  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const firing = [...pulse.lives.values()].reduce((sum, line) => sum + line.firing, 0);
  const { focus } = pulse;
  const current = shown.findIndex(
    (row) => focus !== null && row.tenant === focus.tenant && row.subject === focus.subject,
  );
  const stale = focus !== null && focus.windows.unjudged(pulse.heard()) !== null;
  const first = Math.max(0, Math.floor(top / ROW) - AHEAD);
  const last = Math.min(shown.length, Math.ceil((top + height) / ROW) + AHEAD);

  const go = (index: number) => {
    const row = shown[Math.min(shown.length - 1, Math.max(0, index))];
    if (!row) return;
    pulse.hold();
    onSelect(row.tenant, row.subject);
    const element = scroller.current;
    const at = shown.indexOf(row) * ROW;
    if (element && at < element.scrollTop) element.scrollTop = at;
    else if (element && at + ROW > element.scrollTop + element.clientHeight)
      element.scrollTop = at + ROW - element.clientHeight;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(height / ROW) - 1);
    const steps: Record<string, number> = {
      ArrowDown: current + 1,
      ArrowUp: current - 1,
      PageDown: current + page,
      PageUp: current - page,
      Home: 0,
      End: shown.length - 1,
    };
    const to = steps[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(to);
  };

  const namespaces = pulse.hello?.namespaces ?? [];
  return (
    <section class="panel list" aria-label={t.list.label}>
      {namespaces.length > 1 && (
        <fieldset class="namespaces">
          <legend class="sr">{t.list.namespace}</legend>
          {namespaces.map((name) => (
            <button
              key={name}
              type="button"
              class="quiet"
              aria-pressed={name === pulse.namespace}
              onClick={() => onNamespace(name)}
            >
              {name}
            </button>
          ))}
        </fieldset>
      )}
      <p class="mute count" data-testid="count">
        {t.list.count(f.count(all.length), all.length)} · {t.list.inNeed(f.count(needy))}
        {firing > 0 && ` · ${t.life.alerts.count(f.count(firing), firing)}`}
      </p>
      {pulse.partial && <p class="note partial">{t.list.partial}</p>}
      <label class="search">
        <Icon name="search" size={14} />
        <input
          type="search"
          value={query}
          placeholder={t.list.search}
          aria-label={t.list.search}
          onInput={(event) => {
            setQuery(event.currentTarget.value);
            scroller.current?.scrollTo(0, 0);
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter" || event.key === "ArrowDown") {
              event.preventDefault();
              go(0);
              if (event.key === "ArrowDown") scroller.current?.focus();
            }
          }}
        />
      </label>
      {query.trim() && !shown.length && <p class="mute nothing">{t.list.none(query.trim())}</p>}
      <div
        class="rows"
        ref={scroller}
        role="listbox"
        tabIndex={0}
        aria-label={t.list.label}
        aria-activedescendant={current >= first && current < last ? `subject-${current}` : undefined}
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}
        onPointerMove={() => pulse.hold()}
        onKeyDown={onKeyDown}
      >
        <div class="tall" role="presentation" style={{ height: `${shown.length * ROW}px` }}>
          {shown.slice(first, last).map((row, i) => {
            const index = first + i;
            const { alert } = row.need;
            const why = inNeed({ rank: rank(row.need.level, row.need.priority) }) ? culprits(row) : [];
            const names = why.map((m) => (language === "ru" && pulse.config?.metrics[m]?.label) || m);
            // only of the subject in focus is it known whether points come
            const unsure = stale && index === current;
            const said = row.need.level ? levelText(t, row.need.level, row.need.priority) : t.list.noRule;
            const level = unsure ? t.was(said) : said;
            return (
              // biome-ignore lint/a11y/useKeyWithClickEvents: the list box itself takes the keys, see onKeyDown
              <div
                key={row.key}
                id={`subject-${index}`}
                class={pulse.lives.get(row.key)?.leading ? "row spoken" : "row"}
                role="option"
                aria-selected={index === current}
                aria-setsize={shown.length}
                aria-posinset={index + 1}
                tabIndex={-1}
                style={{ top: `${index * ROW}px` }}
                title={[row.name, level, ...(alert ? [`${alert} ${t.life.alerts.still}`] : []), ...names].join(" · ")}
                onClick={() => onSelect(row.tenant, row.subject)}
              >
                <LevelGlyph level={unsure && row.need.level ? "UNKNOWN" : row.need.level} />
                <span class="sr">{level}</span>
                <span class="name">
                  {alert && <Firing priority={alert} />}
                  {manyTenants && row.tenant !== "default" && <span class="tenant">{row.tenant}/</span>}
                  {row.subject}
                  {names.length > 0 && (
                    <span class="culprit">
                      {" "}
                      {names[0]}
                      {names.length > 1 ? ` +${names.length - 1}` : ""}
                    </span>
                  )}
                </span>
                <Speaker voice={pulse.lives.get(row.key)?.leading ?? null} config={pulse.config} />
                <Sparkline values={row.spark} />
              </div>
            );
          })}
        </div>
      </div>
    </section>
  );
}
