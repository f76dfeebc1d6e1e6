/** Small parts that several panels share. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Config, Level, Priority } from "../contract";
import { reasonOf } from "../logic/reasons";
import { levelText } from "../logic/why";
import { Icon, LevelGlyph } from "./glyph";
import { useSpeech } from "./speech";

export function Chip({
  level,
  priority,
  lead,
  stale = false,
}: {
  level: Level;
  priority: Priority | null;
  lead?: string | undefined;
  /** It was so, and nobody can tell whether it still is. */
  stale?: boolean;
}) {
  const { t } = useSpeech();
  const shown = stale ? "UNKNOWN" : level;
  const text = levelText(t, level, priority);
  return (
    <span class={`chip ${shown.toLowerCase()}`}>
      <LevelGlyph level={shown} size={10} />
      <span>
        {lead ? `${lead} ` : ""}
        {stale ? t.was(text) : text}
      </span>
    </span>
  );
}

/** A text in which `**…**` is bold. */
export function Rich({ text }: { text: string }) {
  return <>{text.split("**").map((part, i) => (i % 2 ? <b key={i}>{part}</b> : part))}</>;
}

/** Copies; says so for two seconds. Where the browser has no clipboard (plain http from afar) the text is selected. */
export function Copy({
  text,
  label,
  children,
}: {
  text: () => string;
  label: string;
  children?: preact.ComponentChildren;
}) {
  const { t } = useSpeech();
  const [done, setDone] = useState(false);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async () => {
    if (!(await toClipboard(text()))) return;
    setDone(true);
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => setDone(false), 2000);
  };
  return (
    <button type="button" class="quiet copy" onClick={copy} aria-label={label} title={label}>
      {children}
      <Icon name={done ? "done" : "copy"} size={14} />
      <span class="sr" role="status">
        {done ? t.empty.copied : ""}
      </span>
    </button>
  );
}

async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "sr";
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

/** A reason that the engine gave. */
export function Said({ reason, config }: { reason: string; config: Config }) {
  const { text, lang } = reasonOf(reason, config, useSpeech());
  return <span {...(lang ? { lang } : {})}>{text}</span>;
}

/** The name of a metric in the language of the page, and its other name beside it. */
export function namesOf(metric: string, label: string | undefined, language: string): [string, string | null] {
  if (!label || label === metric) return [metric, null];
  return language === "ru" ? [label, metric] : [metric, label];
}
