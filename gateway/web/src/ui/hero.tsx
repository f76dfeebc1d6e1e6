import type { Focus } from "../live/focus";
import type { Row } from "../live/pulse";
import { inNeed, rank } from "../logic/need";
import type { View } from "../logic/view";
import { Chip, namesOf } from "./bits";
import { useSpeech } from "./speech";

/** A clock that differs from ours by more than this (ms) is told. */
const OTHER_CLOCK = 60_000;

function Heart({ beats }: { beats: number | null }) {
  const { t, f } = useSpeech();
  const label = beats === null ? `${t.figure.beats}: ${t.figure.unknown}` : t.figure.beatsLabel(f.count(beats));
  // Whole beats only: a new duration restarts the animation, and a heart that restarts ten times a second stutters.
  const duration = beats === null ? undefined : `${(60 / Math.round(beats)).toFixed(3)}s`;
  return (
    <svg
      class={`heart${beats === null ? " still" : ""}`}
      width="44"
      height="44"
      viewBox="0 0 44 44"
      role="img"
      aria-label={label}
    >
      <circle cx="22" cy="22" r="20" fill="none" stroke="var(--line)" />
      <circle class="core" cx="22" cy="22" r="11" style={duration ? { animationDuration: duration } : undefined} />
    </svg>
  );
}

function Figure({ value, label, title }: { value: string; label: string; title?: string }) {
  return (
    <div class="fig" title={title}>
      <b>{value}</b>
      <span>{label}</span>
    </div>
  );
}

interface Props {
  focus: Focus;
  row: Row | undefined;
  view: View;
  now: number | null;
  labels: Record<string, string | undefined>;
  onOpen: (id: string) => void;
}

export function Hero({ focus, row, view, now, labels, onOpen }: Props) {
  const { t, f, language } = useSpeech();
  const needy = [...(row?.statuses.values() ?? [])]
    .filter((s) => inNeed({ rank: rank(s.level, s.priority) }))
    .sort((a, b) => rank(a.level, a.priority) - rank(b.level, b.priority) || a.since - b.since);
  const { stateSince } = view;
  const age = stateSince && f.age(view.time - stateSince.ts);
  const state = view.state
    ? `${t.state[view.state]}${age ? ` · ${stateSince.over ? t.forOver(age) : t.forAge(age)}` : ""}`
    : t.stateUnknown;
  const other = now !== null && focus.newest > 0 && Math.abs(now - view.time) > OTHER_CLOCK;
  return (
    <section class="hero" aria-label={focus.subject}>
      <Heart beats={view.beats} />
      <div class="title">
        <h1>{focus.subject}</h1>
        <span class="mute">
          {state}
          {other && <span class="clock"> · {t.ownClock(f.moment(view.time, now))}</span>}
        </span>
      </div>
      <Figure value={view.beats === null ? "–" : f.count(view.beats)} label={t.figure.beats} />
      <Figure value={view.rhythm === null ? "–" : f.count(view.rhythm)} label={t.figure.rhythm} />
      <Figure value={f.share(view.coherence)} label={t.figure.coherence} />
      <Figure value={f.share(view.vitality)} label={t.figure.vitality} />
      <div class="needs">
        {needy.map((s) => (
          <button type="button" key={s.metric} class="bare" onClick={() => onOpen(s.id)}>
            <Chip
              level={s.level}
              priority={s.priority}
              lead={namesOf(s.metric, labels[s.metric], language)[0]}
              stale={view.unjudged !== null}
            />
          </button>
        ))}
      </div>
    </section>
  );
}
