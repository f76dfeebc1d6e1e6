/** What was asked for, what the gate said to it, and what became of it. */

import type { Config } from "../contract";
import type { Speech } from "../i18n";
import type { Action } from "../life";
import { carrying } from "../logic/rules";
import { actionName, capital, joined, saidOf, signalName } from "../logic/say";
import { Rich, Said } from "./bits";
import { Decide } from "./command";
import { Moment } from "./moment";
import { type Scene, voiceName } from "./scene";
import { useSpeech } from "./speech";
import { Mark, type MarkOf } from "./timeline";

interface Line {
  mark: MarkOf;
  text: string;
  /** Why, as the engine says it, */
  reason: string | null;
  /** or in a person's own words. */
  words: string | null;
  ts: number | null;
}

function rangeOf({ effect }: Action, { f }: Speech): [string, string] {
  return [effect.low === null ? "–" : f.bound(effect.low), effect.high === null ? "–" : f.bound(effect.high)];
}

const REVIEWS = ["approved", "refused", "awaiting_approval"];

/** What has happened to an action, in order, and what it waits for. */
export function linesOf(action: Action, config: Config, speech: Speech, time: number, logTime: number): Line[] {
  const { t, f } = speech;
  const said = t.life.actions;
  const { review, effect } = action;
  const who = (by: string | null | undefined) => (by ? voiceName(by, config) : "");
  const metric = signalName(effect.metric, config, speech);
  const [low, high] = rangeOf(action, speech);
  const lines: Line[] = action.states.map(({ state, ts, by, why }, i): Line => {
    // The review that the event carries is the last one: an earlier decision's reason is not known any more.
    const last = !action.states.slice(i + 1).some((s) => REVIEWS.includes(s.state));
    const own = by ? why : null;
    const reason = !by && last ? (review?.reason ?? null) : null;
    const line = (text: string, mark: MarkOf = "done", because: string | null = null): Line => ({
      mark,
      text,
      reason: because,
      words: own,
      ts,
    });
    switch (state) {
      case "requested": {
        const terms = carrying(action.evidence.terms).map((held) => saidOf(held, config, speech));
        return line(said.asked(joined(terms, speech) || action.evidence.condition));
      }
      case "approved":
        return line(said.passed(who(by ?? "iskriv")), "done", reason);
      case "awaiting_approval":
        return line(said.wantsWord(who("iskriv")), "done", reason);
      case "refused":
        return line(said.refused(who(by ?? review?.by ?? "iskriv")), "failed", reason);
      case "dispatched":
        return line(said.dispatched);
      case "acknowledged":
        return line(by ? said.acknowledged(who(by)) : said.acknowledgedOnly);
      case "effective":
        return line(said.effective(metric, f.value(effect.after), low, high));
      case "ineffective":
        return line(said.ineffective(metric, f.value(effect.after), f.age(effect.within)), "failed");
      default:
        return line(action.states[i - 1]?.state === "awaiting_approval" ? said.undecided : said.expired, "failed", why);
    }
  });
  const to = (text: string): void => {
    lines.push({ mark: "to come", text, reason: null, words: null, ts: null });
  };
  const left = action.until === null ? 0 : action.until - logTime;
  if (action.state === "dispatched" && action.until !== null) {
    to(left > 0 ? said.waitsTaken(f.clock(action.until), f.age(left)) : said.late);
  } else if (action.state === "awaiting_approval" && action.until !== null) {
    to(left > 0 ? said.waitsWord(f.clock(action.until), f.age(left)) : said.late);
  } else if (action.state === "acknowledged" && effect.acknowledged !== null) {
    const until = effect.acknowledged + effect.within;
    to(said.waitsEffect(metric, low, high, f.clock(until), f.age(Math.max(0, until - time))));
  }
  return lines;
}

function Life({ action, scene }: { action: Action; scene: Scene }) {
  const speech = useSpeech();
  const { t, f } = speech;
  return (
    <ol class="steps lines">
      {linesOf(action, scene.config, speech, scene.time, scene.logTime).map((line, i) => (
        <li key={i}>
          <Mark of={line.mark} />
          <span>
            <Rich text={line.text} /> {line.words && <span class="mute">{t.life.alerts.why(line.words)}</span>}
            {line.reason && (
              <span class="note">
                {" "}
                <Said reason={line.reason} config={scene.config} />
              </span>
            )}
          </span>
          <span class="when">{line.ts === null ? "" : f.moment(line.ts, scene.today)}</span>
        </li>
      ))}
    </ol>
  );
}

function Title({ action }: { action: Action }) {
  const speech = useSpeech();
  const { t, f } = speech;
  return (
    <p class="head">
      <b>{capital(actionName(action.action, speech))}</b>
      <span class="mute">{t.life.actions.strength(f.count(action.strength))}</span>
    </p>
  );
}

/** Actions that the gate holds for a person. */
export function Waiting({ scene }: { scene: Scene }) {
  const { t } = useSpeech();
  const said = t.life.actions;
  const waiting = (scene.focus.life.actions?.open ?? []).filter((each) => each.state === "awaiting_approval");
  if (!waiting.length) return null;
  return (
    <section class="panel living urgent" aria-labelledby="waiting-title" data-testid="waiting">
      <h2 id="waiting-title">{said.waits}</h2>
      <ul>
        {waiting.map((action) => (
          <li key={action.action_id} data-action={action.action_id}>
            <Title action={action} />
            <Life action={action} scene={scene} />
            <Decide
              target={action.action_id}
              verbs={[
                ["approve_action", said.approve],
                ["refuse_action", said.refuse],
              ]}
              pressing
              scene={scene}
            />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Actions under way, and those that are over. */
export function Actions({ scene }: { scene: Scene }) {
  const speech = useSpeech();
  const { t, f } = speech;
  const said = t.life.actions;
  const { open = [], closed = [] } = scene.focus.life.actions ?? {};
  const under = open.filter((each) => each.state !== "awaiting_approval");
  if (!under.length && !closed.length) return null;
  // Nothing under way: what ended last stands open, since it is what people ask about.
  const shown = under.length ? under : closed.slice(0, 1);
  const earlier = under.length ? closed : closed.slice(1);
  return (
    <section class="panel living" aria-labelledby="actions-title" data-testid="actions">
      <h2 id="actions-title">{said.label}</h2>
      <ul>
        {shown.map((action) => (
          <li key={action.action_id} data-action={action.action_id}>
            <Title action={action} />
            <Life action={action} scene={scene} />
          </li>
        ))}
      </ul>
      {earlier.length > 0 && (
        <details>
          <summary class="mute">{said.earlier(f.count(earlier.length))}</summary>
          <ul class="past">
            {earlier.map((action) => (
              <li key={action.action_id}>
                <span>{capital(actionName(action.action, speech))}</span>
                <span class="mute">{said.end[action.state] ?? action.state}</span>
                <Moment ts={action.ts} today={scene.today} />
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}
