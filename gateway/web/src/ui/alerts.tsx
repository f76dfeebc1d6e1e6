/** Open alerts: what is wrong, who is told when, and who has it. */

import { judgingOf } from "../contract";
import type { Alert } from "../life";
import { rank } from "../logic/need";
import { Chip, namesOf, Rich, Said } from "./bits";
import { Decide } from "./command";
import { Moment } from "./moment";
import type { Scene } from "./scene";
import { useSpeech } from "./speech";
import { Mark, type MarkOf } from "./timeline";

const ORDER = { firing: 0, pending: 1, silenced: 2, acknowledged: 3, resolved: 4 } as const;

/** Those that nobody has first, then by priority, then by age. */
export function byUrgency(a: Alert, b: Alert): number {
  return ORDER[a.state] - ORDER[b.state] || rank(a.level, a.priority) - rank(b.level, b.priority) || a.first - b.first;
}

function Sentence({ alert, left, fastWindow }: { alert: Alert; left: string | null; fastWindow: number }) {
  const { t, f } = useSpeech();
  const said = t.life.alerts;
  if (alert.kind === "unknown") return <Rich text={said.unknown} />;
  if (alert.value === null || alert.threshold === null) return null;
  if (alert.kind === "budget") {
    const rate = f.bound(Math.round(alert.value * 10) / 10);
    return <Rich text={`${said.budget(rate, f.bound(alert.threshold))} ${left ? t.life.budget.left(left) : ""}`} />;
  }
  const beyond = alert.side === "low" ? alert.value < alert.threshold : alert.value > alert.threshold;
  if (!beyond && alert.state !== "resolved") {
    // A crisis that has just begun: the mean of the last seconds alone is beyond; the steps tell it.
    const fast = alert.steps.find((step) => step.kind === "trigger")?.value ?? null;
    const side = alert.side === "low" ? t.life.sign["<"] : t.life.sign[">"];
    return (
      <Rich
        text={
          fast === null
            ? said.wasLately(f.duration(fastWindow), side, f.bound(alert.threshold))
            : said.was(f.duration(fastWindow), f.value(fast), side, f.bound(alert.threshold))
        }
      />
    );
  }
  const sign = alert.side === "low" ? t.life.sign["<"] : t.life.sign[">"];
  return (
    <Rich text={said.was(f.duration(alert.window_ms ?? 0), f.value(alert.value), sign, f.bound(alert.threshold))} />
  );
}

interface Row {
  key: string;
  role: string;
  channel: string;
  mark: MarkOf;
  told: string;
}

/** The chain: what has become of the steps that were due, and when the others come. */
function rowsOf(alert: Alert, scene: Scene, speech: ReturnType<typeof useSpeech>): Row[] {
  const { t, f } = speech;
  const said = t.life.alerts;
  const done = alert.steps
    .filter((step) => step.kind === "trigger")
    .map((step): Row => {
      const at = f.moment(step.state === "sent" ? step.ts : step.due, scene.today);
      const told = {
        sent: said.sent(at),
        due: said.due(at),
        failed: step.reason ? `${said.failed}: ${step.reason}` : said.failed,
        cancelled: said.cancelled,
      }[step.state];
      const mark = { sent: "done", due: "now", failed: "failed", cancelled: "never" } as const;
      return { key: `${step.step}`, role: step.role, channel: step.channel, mark: mark[step.state], told };
    });
  const { next } = alert;
  if (next?.what !== "step") return done;
  const chain = scene.config.living?.alerts.chains[alert.chain]?.steps ?? [];
  const base = next.due - (chain[next.step]?.after ?? 0);
  const coming = chain.slice(next.step).map((step, i): Row => {
    const left = base + step.after - scene.logTime;
    return {
      key: `${next.step + i}`,
      role: step.role,
      channel: step.channel,
      mark: "to come",
      told: left > 0 ? said.inTime(f.age(left)) : said.now,
    };
  });
  return [...done, ...coming];
}

function Open({ alert, scene }: { alert: Alert; scene: Scene }) {
  const speech = useSpeech();
  const { t, f, language } = speech;
  const said = t.life.alerts;
  const [name] = namesOf(alert.metric, scene.config.metrics[alert.metric]?.label, language);
  const budget = scene.focus.life.budgets?.find((each) => each.metric === alert.metric);
  const rows = rowsOf(alert, scene, speech);
  const { next } = alert;
  const verbs: Parameters<typeof Decide>[0]["verbs"] =
    alert.state === "acknowledged"
      ? [["resolve_alert", said.resolve]]
      : [
          ["acknowledge_alert", said.take],
          ["resolve_alert", said.resolve],
        ];
  return (
    <li class="alert" data-alert={alert.alert_id}>
      <p class="head">
        <Chip
          level={alert.level}
          priority={alert.priority}
          lead={alert.kind === "budget" ? t.life.budget.of(name) : name}
        />
        <span class="mute">{said.forAge(said.state[alert.state], f.age(scene.logTime - alert.first))}</span>
      </p>
      <p>
        <Sentence
          alert={alert}
          fastWindow={judgingOf(scene.config, alert.metric).fast_window}
          left={budget ? percent(budget.remaining, t.locale) : null}
        />
      </p>
      {alert.flapping && <p class="note">{said.flapping}</p>}
      {alert.state === "silenced" && <p class="note">{said.silencedNote}</p>}
      {alert.state === "acknowledged" && alert.by && (
        <p>
          <Rich text={said.takenBy(alert.by)} /> {alert.why && <span class="mute">{said.why(alert.why)}</span>}
        </p>
      )}
      {next?.what === "fires" && (
        <p class="mute">{next.due > scene.logTime ? said.fires(f.age(next.due - scene.logTime)) : said.firesNow}</p>
      )}
      {rows.length > 0 && (
        <ul class="steps" aria-label={said.chain}>
          {rows.map((row) => (
            <li key={row.key} class={row.mark === "never" ? "over" : ""}>
              <Mark of={row.mark} />
              <span>
                {row.role} <span class="mute">{row.channel}</span>
              </span>
              <span class="when">{row.told}</span>
            </li>
          ))}
        </ul>
      )}
      <Decide target={alert.alert_id} verbs={verbs} pressing={alert.state === "firing"} scene={scene} />
    </li>
  );
}

export function Alerts({ scene }: { scene: Scene }) {
  const { t, f, language } = useSpeech();
  const said = t.life.alerts;
  const { open = [], closed = [] } = scene.focus.life.alerts ?? {};
  const budgets = (scene.focus.life.budgets ?? []).filter(
    ({ alert, metric }) => alert !== null && !open.some((each) => each.kind === "budget" && each.metric === metric),
  );
  if (!open.length && !closed.length && !budgets.length) return null;
  const name = (metric: string) => namesOf(metric, scene.config.metrics[metric]?.label, language)[0];
  return (
    <section
      class={`panel living${open.some((each) => each.state === "firing") ? " urgent" : ""}`}
      aria-labelledby="alerts-title"
      data-testid="alerts"
    >
      <h2 id="alerts-title">{said.label}</h2>
      {!open.length && <p class="mute">{said.none}</p>}
      <ul>
        {[...open].sort(byUrgency).map((alert) => (
          <Open key={alert.alert_id} alert={alert} scene={scene} />
        ))}
      </ul>
      {budgets.map((budget) => (
        <p key={budget.metric} class="note">
          {budget.alert === "page"
            ? t.life.budget.page(name(budget.metric), percent(budget.remaining, t.locale))
            : t.life.budget.ticket(name(budget.metric), percent(budget.remaining, t.locale))}
        </p>
      ))}
      {closed.length > 0 && (
        <details>
          <summary class="mute">{said.over(f.count(closed.length))}</summary>
          <ul class="past">
            {closed.map((alert) => (
              <li key={alert.alert_id}>
                <Chip level={alert.level} priority={alert.priority} lead={name(alert.metric)} />
                <span class="mute">{alert.resolution && <Said reason={alert.resolution} config={scene.config} />}</span>
                <Moment ts={alert.last} today={scene.today} />
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function percent(share: number, locale: string): string {
  return new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 }).format(share);
}
