/** Which language is spoken; remembered, else the browser's wish. */

import { recall, remember } from "../live/memory";
import { en, type Texts } from "./en";
import { Format } from "./format";
import { ru } from "./ru";

export type Language = "en" | "ru";
export const LANGUAGES: Language[] = ["ru", "en"];

const TEXTS: Record<Language, Texts> = { en, ru };

export interface Speech {
  language: Language;
  t: Texts;
  f: Format;
}

export function speech(language: Language): Speech {
  return { language, t: TEXTS[language], f: new Format(TEXTS[language]) };
}

export function firstLanguage(): Language {
  const kept = recall("iskra.language");
  if (kept === "en" || kept === "ru") return kept;
  return navigator.languages.some((l) => l.toLowerCase().startsWith("ru")) ? "ru" : "en";
}

export function keepLanguage(language: Language): void {
  remember("iskra.language", language);
}
