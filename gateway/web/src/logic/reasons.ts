/** The engine gives its reasons in English sentences; here they become what the page's language says. */

import type { Config } from "../contract";
import type { Speech } from "../i18n";

type Patterns = [RegExp, string][];

/** Names of alerts say nothing to people. */
const EN: Patterns = [
  [/^absorbed by \S+$/, "absorbed by a higher one"],
  [/^eased to (P\d), \S+$/, "eased to $1"],
];

const RU: Patterns = [
  [/^recovered$/, "восстановилось"],
  [/^absorbed by \S+$/, "поглощена более важной"],
  [/^eased to (P\d), \S+$/, "смягчилась до $1"],
  [/^resolved by (.+)$/, "решение: $1"],
  [/^acknowledged by (.+)$/, "принято: $1"],
  [/^approved by (.+)$/, "решение: $1"],
  [/^refused by (.+)$/, "решение: $1"],
  [/^the subject is forgotten$/, "субъект забыт"],
  [/^an injection of strength (\d+) needs a person's approval$/, "инъекция силой $1 требует решения человека"],
  [
    /^expected (.+), inside the critical bounds; action (\d+) of (\d+) within (.+)$/,
    "ожидается $1, в критических границах; действие $2 из $3 за $4",
  ],
  [
    /^what it moves is unknown, and no ground forbids it; action (\d+) of (\d+) within (.+)$/,
    "что изменится, неизвестно; запретов нет; действие $1 из $2 за $3",
  ],
  [
    /^(\w+) would go from ([\d.]+) to ([\d.]+), past its critical bound ([\d.]+)$/,
    "$1: с $2 до $3, за критическую границу $4",
  ],
  [/^(\d+) actions within (.+): the limit is (\d+)$/, "действий за $2: $1, предел $3"],
  [/^no injection in a maintenance window$/, "в окне обслуживания инъекций нет"],
  [/^(\w+) is unknown: nothing is injected unseen$/, "$1: неизвестно, вслепую не вмешиваются"],
  [/^its condition no longer holds$/, "условие больше не выполнено"],
  [/^an ethical violation holds: only recovery may act$/, "этическое нарушение: разрешено только восстановление"],
  [/^no chaos is injected while (\w+) is above ([\d.]+)$/, "хаос не вносят, пока $1 выше $2"],
  [/^no chaos is injected while (\w+) is below ([\d.]+)$/, "хаос не вносят, пока $1 ниже $2"],
  [/^rule of the pair: (\w+), since (.+)$/, "правило пары: $1, так как $2"],
  [/^rule of the pair: (\w+), unless (.+)$/, "правило пары: $1, если не $2"],
  [/^priority: (\w+) (\w+), (\w+) (\w+)$/, "приоритет: $1 $2, $3 $4"],
  [/^further beyond its rule: (\w+) ([\d.]+), (\w+) ([\d.]+)$/, "дальше за своей границей: $1 $2, $3 $4"],
  [/^(\w+) had been silent for longer$/, "дольше молчал голос $1"],
  [/^(\w+) stands first in the table$/, "первым в таблице стоит $1"],
  [/^(\w+) at critical priority wins every conflict$/, "при критическом приоритете слово всегда за голосом $1"],
];

const PRIORITIES: Record<string, string> = {
  critical: "критический",
  high: "высокий",
  medium: "средний",
  min: "мин",
  h: "ч",
};

export interface Reason {
  text: string;
  /** Of the text, where it is not the page's. */
  lang: string | undefined;
}

/** A reason in the page's words; one that is not known stands as it came, marked as English. */
export function reasonOf(reason: string, config: Config, { language }: Speech): Reason {
  const known = (language === "ru" ? RU : EN).find(([pattern]) => pattern.test(reason));
  let text = known ? reason.replace(known[0], known[1]) : reason;
  for (const [voice, { label }] of Object.entries(config.living?.voices.voices ?? {})) {
    text = text.replace(new RegExp(`\\b${voice}\\b`, "g"), label);
  }
  if (language !== "ru" || !known) return { text, lang: language === "en" ? undefined : "en" };
  for (const [metric, { label }] of Object.entries(config.metrics)) {
    if (label) text = text.replace(new RegExp(`\\b${metric}\\b`, "g"), label);
  }
  text = text
    .replace(/(\d)\.(\d)/g, "$1,$2")
    .replace(/\b(critical|high|medium|min|h)\b/g, (word) => PRIORITIES[word] ?? word);
  return { text, lang: undefined };
}
