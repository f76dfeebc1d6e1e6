/** Русский. */

import type { Texts } from "./en";
import { ruLife } from "./ru-life";

const rules = new Intl.PluralRules("ru");

function plural(n: number, one: string, few: string, many: string): string {
  const rule = rules.select(n);
  return rule === "one" ? one : rule === "few" ? few : many;
}

export const ru: Texts = {
  locale: "ru",
  units: { ms: "мс", s: "с", min: "мин", h: "ч", d: "д" },

  title: "Пульс",
  skip: "К показателям",
  language: "Язык",
  themeTo: { light: "Светлая тема", dark: "Тёмная тема" },
  allSubjects: "Все субъекты",

  link: {
    live: (latency) => (latency ? `вживую · ${latency}` : "вживую"),
    connecting: "соединяемся…",
    lost: (since) => `нет связи с ${since}, пробуем снова`,
    never: "связи пока нет, пробуем снова",
    restored: "Связь восстановлена.",
    roundTrip: (half) => `половина пути до сервера и обратно: ${half}`,
    age: (age) => `возраст точки, когда она доходит сюда (медиана): ${age}`,
  },
  parts: {
    kafka: "Брокер недоступен: пока он не вернётся, нового не будет.",
    clickhouse: "Хранилище недоступно: пока оно не вернётся, прошлое не показано.",
    worker: (subject, since) =>
      `Точки субъекта ${subject} приходят, но никто их не оценивает: его уровни показаны на ${since}.`,
  },

  list: {
    label: "Субъекты, сначала те, кому нужна помощь",
    count: (n, raw) => `${n} ${plural(raw, "субъект", "субъекта", "субъектов")}`,
    inNeed: (n) => `тревожных: ${n}`,
    search: "Найти субъект",
    none: (query) => `По запросу «${query}» ничего нет.`,
    namespace: "Пространство",
    choose: "Выберите субъект.",
    noRule: "правил для него нет",
    partial: "Это не все: в списке сначала те, кому нужна помощь.",
    gone: (subject, namespace) => `Точек субъекта ${subject} в пространстве ${namespace} ещё не было.`,
  },

  empty: {
    title: "Точек пока нет. Отправьте первую:",
    after: "Она появится здесь сама.",
    copy: "Скопировать команду",
    copied: "Скопировано",
  },

  was: (level) => `было ${level}`,
  level: { OK: "OK", WARN: "WARN", BLOCK: "BLOCK", UNKNOWN: "UNKNOWN" },
  reason: {
    impossible: "невозможные значения",
    missing: "нет данных",
    late: "опаздывает",
    stuck: "застыло",
    sparse: "мало точек",
    engine_error: "сбой движка",
  },
  side: { low: "снизу", high: "сверху" },
  statistic: {
    mean: (window, slide) => `среднее за ${window}, каждую ${slide}`,
    fast: (fast, window, value) => `среднее за ${fast} (за ${window}: ${value})`,
  },

  state: {
    crisis: "кризис",
    "chaotic creation": "хаотическое творение",
    crystallisation: "кристаллизация",
    "harmonious flow": "гармоничный поток",
    "creative tension": "творческое напряжение",
    transitional: "переход",
  },
  stateUnknown: "состояние неизвестно: есть не все четыре показателя",
  forAge: (age) => `уже ${age}`,
  forOver: (age) => `дольше ${age}`,
  ownClock: (when) => `его время: ${when}`,

  figure: {
    beats: "ударов в минуту",
    rhythm: "∆-ритм",
    coherence: "согласованность",
    vitality: "жизненность",
    beatsLabel: (n) => `${n} ударов в минуту`,
    unknown: "неизвестно",
  },

  vitals: {
    label: "Показатели",
    more: "Другие метрики",
    legend: ["линия: среднее 30 с", "серое: точки"],
    now: "сейчас",
    optimal: (lo, hi) => `оптимум ${lo}–${hi}`,
    noPoints: "нет точек",
    lastSeen: (value, when) => `последнее ${value} в ${when}`,
    noRule: "правила нет",
    unjudged: (since) => `не оценивается с ${since}`,
    loading: "получаем прошлое…",
    failed: "Прошлое получить не удалось; новые точки рисуются по мере поступления.",
    chart: (metric, lo, hi, now) =>
      `${metric}, последние 12 минут: среднее за 30 с было от ${lo} до ${hi}, сейчас ${now}`,
    chartEmpty: (metric) => `${metric}: за последние 12 минут точек нет`,
    mean: "среднее",
    points: "точки",
  },

  verdicts: {
    label: "Вердикты",
    none: "Вердиктов пока нет.",
    loading: "получаем…",
    failed: "Прошлые вердикты получить не удалось.",
    announced: (subject, metric, level) => `${subject}: ${metric}, теперь ${level}`,
    meanOf: (window) => `среднее за ${window}`,
    more: "Показать более ранние",
  },

  why: {
    title: (metric, level) => `Почему ${metric}: ${level}`,
    titleThen: (metric, level) => `Почему ${metric}: было ${level}`,
    rule: "правило",
    ruleOf: (metric, side, priority) => `${metric} ${side}, ${priority}`,
    ruleUnknown: (metric) => `${metric}, качество данных`,
    ruleAll: (metric) => `${metric}, все границы`,
    statistic: "статистика",
    points: "точек в основе",
    pointsOf: (n, late, lateText) => (late ? `${n}, опоздало ${lateText}` : `${n}, без опозданий`),
    since: "с",
    before: "до этого",
    beforeOf: (level, age) => `${level}, ${age}`,
    log: "журнал",
    config: "конфигурация",
    id: "вердикт",
    copyId: "Скопировать идентификатор вердикта",
    evidenceMissing: "Доказательства получить не удалось.",
    recompute: "Пересчитать по журналу",
    recomputing: "пересчитываем…",
    recomputed: "пересчитано по журналу",
    matches: "совпадает",
    differs: "расходится",
    recomputeAt: "Этот шлюз не пересчитывает. В терминале:",
    copyCommand: "Скопировать команду",
    recomputeFailed: "Сейчас пересчитать журнал не удалось.",
    fell: (w, value, bound, dwell) =>
      `Среднее за ${w} упало до **${value}**, ниже границы **${bound}**${dwell ? `, и оставалось там ${dwell}` : ""}.`,
    rose: (w, value, bound, dwell) =>
      `Среднее за ${w} поднялось до **${value}**, выше границы **${bound}**${dwell ? `, и оставалось там ${dwell}` : ""}.`,
    atOnce: "На этой границе ждать не полагается.",
    backUp: (w, value, edge, bound, dwell) =>
      `Среднее за ${w} вернулось к **${value}**: ${dwell} оно было не ниже **${edge}** (граница ${bound} с запасом).`,
    backDown: (w, value, edge, bound, dwell) =>
      `Среднее за ${w} вернулось к **${value}**: ${dwell} оно было не выше **${edge}** (граница ${bound} с запасом).`,
    stillUnder: (bound) => `Следующая граница снизу, **${bound}**, ещё не оставлена.`,
    stillOver: (bound) => `Следующая граница сверху, **${bound}**, ещё не оставлена.`,
    againOk: (n, count, value) =>
      `Точек достаточно, чтобы судить: среднее ${count} ${plural(n, "точки", "точек", "точек")}: **${value}**, ни одна граница не нарушена.`,
    againFrozen: (w, value, bound) =>
      `Точек снова достаточно. Прежний уровень в силе: граница **${bound}** ещё не оставлена; среднее за ${w}: **${value}**.`,
    missing: (age) => `Уже **${age}** нет ни одной точки: что с метрикой сейчас, никто не знает.`,
    sparse: (n, count, w, least) =>
      `За последние ${w} только **${count}** ${plural(n, "точка", "точки", "точек")}; нужно не меньше ${least}.`,
    late: (late, count) => `Больше половины точек опоздали: **${late}** с опозданием, ${count} вовремя.`,
    stuck: (value, age) => `Одно и то же значение, **${value}**, ${age} подряд: похоже, измеритель застыл.`,
    impossible: "Больше десятой части точек **отвергнуто** как невозможные.",
    engine_error:
      "Движок споткнулся о запись этого субъекта. Субъект не трогают, пока причина не устранена; остальные идут дальше.",
    frozen: "Прежний уровень сохранён и снова вступит в силу, когда появятся точки.",
    nextOver: (level, bound, dwell) =>
      dwell
        ? `${level} наступит, если среднее будет выше ${bound} в течение ${dwell}.`
        : `${level}: выше ${bound}, сразу.`,
    nextUnder: (level, bound, dwell) =>
      dwell
        ? `${level} наступит, если среднее будет ниже ${bound} в течение ${dwell}.`
        : `${level}: ниже ${bound}, сразу.`,
    nextEither: (level, low, high, dwell) =>
      `${level} наступит, если среднее будет ниже ${low} или выше ${high} в течение ${dwell}.`,
    leaveUp: (edge, dwell) => `Кончится, когда среднее будет не ниже ${edge} в течение ${dwell}.`,
    leaveDown: (edge, dwell) => `Кончится, когда среднее будет не выше ${edge} в течение ${dwell}.`,
  },

  life: ruLife,

  of: (metric) => metric,
  error: (message) => `Сервер отвечает: ${message}`,
};
