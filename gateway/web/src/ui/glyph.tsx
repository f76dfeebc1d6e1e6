/** Our own signs, one stroke width, so that they look alike everywhere; never a font's. */

import type { Level } from "../contract";

/** A level's shape, the same wherever it stands: shape and word say what colour says. */
export function LevelGlyph({ level, size = 12 }: { level: Level | null; size?: number }) {
  return (
    <svg
      class={`glyph ${(level ?? "none").toLowerCase()}`}
      width={size}
      height={size}
      viewBox="0 0 12 12"
      aria-hidden="true"
    >
      {level === "OK" && <circle cx="6" cy="6" r="4.6" fill="currentColor" />}
      {level === "WARN" && <path d="M6 1 11.4 10.6H.6Z" fill="currentColor" />}
      {level === "BLOCK" && <rect x="1.4" y="1.4" width="9.2" height="9.2" fill="currentColor" />}
      {level === "UNKNOWN" && (
        <circle
          cx="6"
          cy="6"
          r="4.6"
          fill="none"
          stroke="currentColor"
          stroke-width="1.6"
          stroke-dasharray="2.2 1.42"
        />
      )}
      {level === null && <path d="M3 6h6" stroke="currentColor" stroke-width="1.6" />}
    </svg>
  );
}

const PATHS = {
  copy: "M9 9V4h11v11h-5M4 9h11v11H4Z",
  done: "M5 12.5 10 17.5 19 7",
  back: "M14.5 5 7.5 12l7 7",
  search: "M15.5 15.5 20 20M10.5 17a6.5 6.5 0 1 1 0-13 6.5 6.5 0 0 1 0 13Z",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M19 5l-2 2M7 17l-2 2",
  moon: "M20 14.2A8.3 8.3 0 0 1 9.8 4a8.3 8.3 0 1 0 10.2 10.2Z",
} as const;

export function Icon({ name, size = 16 }: { name: keyof typeof PATHS; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.8"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The seven voices, and a plain mark for one that the configuration added. */
const VOICES: Record<string, string> = {
  kayn: "M6 21V4.2h12l-3 4.1 3 4.1H6",
  pino: "M12 12c-.6-4 1.2-7.2 5-8.5.9 3.9-.9 7.2-5 8.5Zm0 0c4-.6 7.2 1.2 8.5 5-3.9.9-7.2-.9-8.5-5Zm0 0c.6 4-1.2 7.2-5 8.5-.9-3.9.9-7.2 5-8.5Zm0 0c-4 .6-7.2-1.2-8.5-5 3.9-.9 7.2.9 8.5 5Z",
  sam: "M3.5 20.5h17M5 20.5v-6.5h7v6.5M12 20.5v-6.5h7v6.5M8.5 14V7.5h7V14",
  anhantra:
    "M12 13.5s-3.6-2.2-3.6-4.9A2.1 2.1 0 0 1 12 7.4a2.1 2.1 0 0 1 3.6 1.2c0 2.7-3.6 4.9-3.6 4.9ZM3.5 12.5a8.5 8.5 0 0 0 17 0",
  hundun: "M13.5 3 8.5 12.5h6.5L10.5 21M6 5.8a8.6 8.6 0 0 0-.8 11.6M18 18.2a8.6 8.6 0 0 0 .8-11.6",
  iskriv: "M12 3.5v17M8 20.5h8M5 6.5h14M5 6.5l-2.5 6.5a2.7 2.7 0 0 0 5 0ZM19 6.5l-2.5 6.5a2.7 2.7 0 0 0 5 0Z",
  iskra: "M12 2.5 14.3 9.7 21.5 12l-7.2 2.3L12 21.5l-2.3-7.2L2.5 12l7.2-2.3Z",
};

export function VoiceGlyph({ voice, size = 24 }: { voice: string; size?: 16 | 24 }) {
  return (
    <svg
      class="voice-glyph"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path vector-effect="non-scaling-stroke" d={VOICES[voice] ?? "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16Z"} />
    </svg>
  );
}

export function Spark({ size = 18 }: { size?: number }) {
  return (
    <svg class="spark" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <path d="M12 1.5 14.4 9.6 22.5 12 14.4 14.4 12 22.5 9.6 14.4 1.5 12 9.6 9.6Z" fill="currentColor" />
    </svg>
  );
}
