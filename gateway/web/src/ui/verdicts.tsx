import { useState } from "preact/hooks";
import { type Config, judgingOf } from "../contract";
import type { Focus } from "../live/focus";
import { decisive } from "../logic/why";
import { Chip, namesOf } from "./bits";
import { Moment } from "./moment";
import { useSpeech } from "./speech";

const FIRST = 8;

interface Props {
  focus: Focus;
  config: Config;
  opened: string | null;
  fresh: ReadonlySet<string>;
  today: number;
  onOpen: (id: string) => void;
}

export function Verdicts({ focus, config, opened, fresh, today, onOpen }: Props) {
  const { t, f, language } = useSpeech();
  const [all, setAll] = useState(false);
  const shown = all ? focus.verdicts : focus.verdicts.slice(0, FIRST);
  return (
    <section class="panel feed" aria-labelledby="verdicts-title">
      <h2 id="verdicts-title">{t.verdicts.label}</h2>
      {!shown.length && (
        <p class="mute">
          {focus.pastVerdicts === "loading"
            ? t.verdicts.loading
            : focus.pastVerdicts === "ready"
              ? t.verdicts.none
              : ""}
        </p>
      )}
      {focus.pastVerdicts === "failed" && <p class="note">{t.verdicts.failed}</p>}
      <ul>
        {shown.map((v) => {
          const [name] = namesOf(v.metric, config.metrics[v.metric]?.label, language);
          const { window, value, fast } = decisive(v, judgingOf(config, v.metric));
          return (
            <li key={v.id} class={fresh.has(v.id) ? "fresh" : ""}>
              <button type="button" class="bare" aria-pressed={v.id === opened} onClick={() => onOpen(v.id)}>
                <Chip level={v.level} priority={v.priority} />
                <span class="text">
                  {name} {v.reason ? <span class="mute">{t.reason[v.reason]}</span> : f.value(value)}
                  {fast && <span class="mute"> {t.verdicts.meanOf(f.duration(window))}</span>}
                </span>
                <Moment ts={v.since} today={today} />
              </button>
            </li>
          );
        })}
      </ul>
      {!all && focus.verdicts.length > FIRST && (
        <button type="button" class="plain" onClick={() => setAll(true)}>
          {t.verdicts.more}
        </button>
      )}
    </section>
  );
}
