/** What the panels about the living part have in common. */

import { useEffect, useReducer } from "preact/hooks";
import type { Config } from "../contract";
import type { Focus } from "../live/focus";

export interface Scene {
  focus: Focus;
  config: Config;
  /** Subject time (ms). */
  time: number;
  /** Time of the log (ms), which people's waiting is counted in. */
  logTime: number;
  /** Wall clock (ms), for telling today's times from others. */
  today: number;
  live: boolean;
}

/** Draws again each second while somebody waits for something. */
export function useSeconds(wanted: boolean): void {
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    if (!wanted) return;
    const timer = setInterval(() => redraw(undefined as never), 1000);
    return () => clearInterval(timer);
  }, [wanted]);
}

/** The voice's name as people know it: Russian in every language. */
export function voiceName(voice: string, config: Config): string {
  return config.living?.voices.voices[voice]?.label ?? voice;
}
