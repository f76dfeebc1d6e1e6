import { useState } from "preact/hooks";
import { LANGUAGES, type Language } from "../i18n";
import { remember } from "../live/memory";
import type { Pulse } from "../live/pulse";
import { isWallClock } from "../logic/clock";
import { Icon, Spark } from "./glyph";
import { useSpeech } from "./speech";

function LinkState({ pulse }: { pulse: Pulse }) {
  const { t, f } = useSpeech();
  const { link, focus } = pulse;
  if (link.state.kind === "connecting") return <span class="link waiting">{t.link.connecting}</span>;
  if (link.state.kind === "lost") {
    const { since } = link.state;
    return <span class="link lost">{since === null ? t.link.never : t.link.lost(f.clock(since))}</span>;
  }
  const age = focus && isWallClock(focus.lag) ? focus.ages.median : null;
  const fresh = age !== null && age >= 0 && age < 60_000 ? age : null;
  const shown = fresh ?? link.oneWay;
  const how = [
    fresh === null ? null : t.link.age(f.latency(fresh)),
    link.oneWay === null ? null : t.link.roundTrip(f.latency(link.oneWay)),
  ].filter((text) => text !== null);
  return (
    <span class="link live" title={how.join("\n")}>
      {t.link.live(shown === null ? null : f.latency(shown))}
    </span>
  );
}

function Theme() {
  const { t } = useSpeech();
  const [theme, setTheme] = useState(document.documentElement.dataset.theme === "light" ? "light" : "dark");
  const other = theme === "light" ? "dark" : "light";
  return (
    <button
      type="button"
      class="quiet icon"
      aria-label={t.themeTo[other]}
      title={t.themeTo[other]}
      onClick={() => {
        document.documentElement.dataset.theme = other;
        remember("iskra.theme", other);
        setTheme(other);
      }}
    >
      <Icon name={theme === "light" ? "moon" : "sun"} />
    </button>
  );
}

export function Header({ pulse, onLanguage }: { pulse: Pulse; onLanguage: (language: Language) => void }) {
  const { t, language } = useSpeech();
  const { focus } = pulse;
  return (
    <header class="bar">
      <a class="skip" href="#vitals">
        {t.skip}
      </a>
      <a class="mark" href="/pulse">
        <Spark /> Искра
      </a>
      <nav aria-label="Iskra">
        <a href="/pulse" aria-current="page">
          {t.title}
        </a>
      </nav>
      <div class="right">
        {focus && (
          <span class="mute who">
            {focus.tenant} / {focus.subject}
          </span>
        )}
        <LinkState pulse={pulse} />
        <fieldset class="languages">
          <legend class="sr">{t.language}</legend>
          {LANGUAGES.map((l) => (
            <button
              key={l}
              type="button"
              class="quiet"
              lang={l}
              aria-pressed={l === language}
              onClick={() => onLanguage(l)}
            >
              {l.toUpperCase()}
            </button>
          ))}
        </fieldset>
        <Theme />
      </div>
    </header>
  );
}
