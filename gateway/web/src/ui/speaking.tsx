/** Who speaks and why, who waits, and who would follow. */

import type { Standing, VoiceEvent } from "../life";
import { carrying, nearest, parse, type Values } from "../logic/rules";
import { actionName, joined, saidOf, wantedOf } from "../logic/say";
import type { View } from "../logic/view";
import { VITALS } from "../logic/vitals";
import { Rich, Said } from "./bits";
import { VoiceGlyph } from "./glyph";
import { type Scene, voiceName } from "./scene";
import { useSpeech } from "./speech";

/** Of those who are near, so many are told. */
const TOLD = 2;

/** What the rules would read now: vitals as the page computes them, signals as they were told last. */
function valuesOf({ focus, time }: Scene, view: View): Values {
  const sample = focus.life.signals;
  return (name) => {
    const vital = VITALS.find((each) => each === name);
    if (vital) return view.means[vital];
    const value = sample?.values[name];
    if (value === undefined || !sample) return null;
    // Time goes on between two samples; a stagnation that ends is told at once.
    return name === "stagnation_duration" && value > 0 ? value + Math.max(0, time - sample.ts) : value;
  };
}

function Because({ said, scene }: { said: VoiceEvent; scene: Scene }) {
  const speech = useSpeech();
  const terms = carrying(said.terms).map((held) => saidOf(held, scene.config, speech));
  const { voices } = speech.t.life;
  if (!terms.length && !said.rule) return null;
  return (
    <p class="because">
      <Rich text={terms.length ? voices.because(joined(terms, speech)) : voices.byRule(said.rule ?? "")} />
    </p>
  );
}

function Voice({
  standing,
  how,
  leads,
  scene,
  children,
}: {
  standing: Standing;
  how: string;
  leads: boolean;
  scene: Scene;
  children?: preact.ComponentChildren;
}) {
  const { voice } = standing;
  const about = scene.config.living?.voices.voices[voice];
  return (
    <li class={leads ? "speaks leads" : "speaks"} title={[voice, about?.archetype].filter(Boolean).join(", ")}>
      <VoiceGlyph voice={voice} />
      <div>
        <p>
          <b>{voiceName(voice, scene.config)}</b> <span class="mute">{how}</span>
        </p>
        {children}
      </div>
    </li>
  );
}

/** Until when a voice whose rule holds keeps silent (ms): its cool-downs; null: none is known to hold it. */
function restUntil(voice: string, scene: Scene, values: Values): number | null {
  const spec = scene.config.living?.voices;
  const own = spec?.voices[voice];
  const recent = scene.focus.life.voices?.recent ?? [];
  const silent = recent.find((e) => e.voice === voice && (e.event === "deactivated" || e.event === "pre-empted"));
  if (!spec || !own || !silent) return null;
  for (const { when, cooldown } of own.activate) {
    const node = parse(when);
    // One term suffices to be sure: longer rules are left to the engine.
    const value = node?.kind === "term" ? values(node.signal) : null;
    if (node?.kind !== "term" || !value) continue;
    const spoke = recent.find((e) => e.voice === voice && e.event === "activated" && e.rule === when);
    return Math.max(silent.ts + spec.cooldown, (spoke?.ts ?? 0) + cooldown);
  }
  return null;
}

export function Speaking({ scene, view }: { scene: Scene; view: View }) {
  const speech = useSpeech();
  const { t, f } = speech;
  const { config, time, today } = scene;
  const said = t.life.voices;
  const voices = scene.focus.life.voices;
  const living = config.living;
  if (!living) return null;
  const values = valuesOf(scene, view);
  const active = voices?.active ?? [];
  const queued = voices?.queued ?? [];
  const muted = voices?.muted ?? [];
  const busy = new Set([...active, ...queued, ...muted].map((each) => each.voice));
  const near = nearest(living.voices, busy, values).slice(0, TOLD);
  const resting = Object.keys(living.voices.voices).flatMap((voice) => {
    const until = busy.has(voice) ? null : restUntil(voice, scene, values);
    return until !== null && until > time ? [{ voice, until }] : [];
  });
  const leader = voices?.leading ?? null;
  const ordered = [...active].sort((a, b) => Number(b.voice === leader) - Number(a.voice === leader));
  const how = ({ voice, said: event }: Standing) => {
    const age = event && f.age(time - event.ts);
    if (voice === leader) return age ? said.leads(age) : said.leadsNow;
    return age ? said.speaks(age) : "";
  };
  const { synthesis } = voices ?? {};
  return (
    <section class="panel living" aria-labelledby="speaking-title" data-testid="speaking">
      <h2 id="speaking-title">{said.label}</h2>
      {!active.length && <p class="mute">{said.silent}</p>}
      <ul>
        {ordered.map((standing) => (
          <Voice
            key={standing.voice}
            standing={standing}
            how={how(standing)}
            leads={standing.voice === leader}
            scene={scene}
          >
            {standing.said && <Because said={standing.said} scene={scene} />}
            {standing.said && standing.said.actions.length > 0 && (
              <p class="note">
                {said.suggests(standing.said.actions.map((name) => actionName(name, speech)).join(", "))}
              </p>
            )}
          </Voice>
        ))}
        {queued.map((standing) => {
          const against = standing.said?.against;
          return (
            <Voice
              key={standing.voice}
              standing={standing}
              how={against ? said.waits(voiceName(against, config)) : said.waitsOnly}
              leads={false}
              scene={scene}
            >
              {standing.said?.reason && (
                <p class="note">
                  <Said reason={standing.said.reason} config={config} />
                </p>
              )}
            </Voice>
          );
        })}
        {muted.map((standing) => (
          <Voice
            key={standing.voice}
            standing={standing}
            how={standing.said?.by ? said.muted(standing.said.by) : said.mutedOnly}
            leads={false}
            scene={scene}
          >
            {standing.said?.why && <p class="note">{t.life.alerts.why(standing.said.why)}</p>}
          </Voice>
        ))}
      </ul>
      {synthesis && time - synthesis.ts < 3_600_000 && (
        <div class="synthesis">
          <p class="mute">{said.synthesis(voiceName(synthesis.voice, config), f.moment(synthesis.ts, today))}</p>
          <p>{synthesis.actions.map((name) => actionName(name, speech)).join(" · ")}</p>
          {Object.entries(synthesis.dropped).map(([name, reason]) => (
            <p key={name} class="note">
              {said.dropped(actionName(name, speech), reason)}
            </p>
          ))}
        </div>
      )}
      {near.map(({ voice, terms }) => (
        <p key={voice} class="mute follows">
          <Rich
            text={said.follows(
              voiceName(voice, config),
              joined(
                terms.map((held) => wantedOf(held, config, speech)),
                speech,
              ),
            )}
          />
        </p>
      ))}
      {resting.map(({ voice, until }) => (
        <p key={voice} class="mute follows">
          {said.rests(voiceName(voice, config), f.moment(until, today), f.age(until - time))}
        </p>
      ))}
    </section>
  );
}
