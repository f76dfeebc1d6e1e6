/** Terms of rules as people say them. */

import type { Config } from "../contract";
import type { Speech } from "../i18n";
import type { Sign, Term } from "./rules";

/** A signal that counts time, in ms. */
const LASTS = "stagnation_duration";

export function signalName(name: string, config: Config, { t, language }: Speech): string {
  const label = config.metrics[name]?.label;
  if (label && language === "ru") return label;
  return t.life.signal[name] ?? name.replaceAll("_", " ");
}

/** `suggest_experiments` → suggest experiments, or what it is called in the language of the page. */
export function actionName(name: string, { t }: Speech): string {
  return t.life.action[name] ?? name.replaceAll("_", " ");
}

export function capital(text: string): string {
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}

interface Held {
  term: Term;
  value: number;
}

/** What made a rule true: “chaos was **0.184** (under 0.2)”. */
export function saidOf({ term, value }: Held, config: Config, speech: Speech): string {
  const { t, f } = speech;
  const name = signalName(term.signal, config, speech);
  if (term.sign === null) return t.life.term.held(name);
  if (term.signal === LASTS) return t.life.term.lasted(name, f.age(value), f.age(term.limit));
  return t.life.term.was(name, f.value(value), t.life.sign[term.sign], f.bound(term.limit));
}

/** What a rule still needs: “chaos under **0.2** (now 0.241)”. */
export function wantedOf({ term, value }: Held, config: Config, speech: Speech): string {
  const { t, f } = speech;
  const name = signalName(term.signal, config, speech);
  if (term.signal === LASTS) return t.life.term.wantedAge(name, f.age(term.limit), f.age(term.limit - value));
  return t.life.term.wanted(name, t.life.sign[term.sign as Sign], f.bound(term.limit), f.value(value));
}

export function joined(parts: string[], speech: Speech): string {
  return parts.join(speech.t.life.voices.and);
}
