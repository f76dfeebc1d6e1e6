/** A mark of a small timeline: shape alone says what it is, colour is for states of metrics. */

export type MarkOf = "done" | "now" | "to come" | "failed" | "never";

export function Mark({ of }: { of: MarkOf }) {
  return (
    <svg class={`mark-of ${of.replace(" ", "-")}`} width="10" height="10" viewBox="0 0 10 10" aria-hidden="true">
      {of === "done" && <circle cx="5" cy="5" r="3.6" fill="currentColor" />}
      {of === "now" && (
        <>
          <circle cx="5" cy="5" r="3.8" fill="none" stroke="currentColor" stroke-width="1.4" />
          <circle cx="5" cy="5" r="1.6" fill="currentColor" />
        </>
      )}
      {of === "to come" && <circle cx="5" cy="5" r="3.8" fill="none" stroke="currentColor" stroke-width="1.4" />}
      {of === "failed" && <path d="M1.8 1.8 8.2 8.2M8.2 1.8 1.8 8.2" stroke="currentColor" stroke-width="1.6" />}
      {of === "never" && <path d="M1.6 5h6.8" stroke="currentColor" stroke-width="1.6" />}
    </svg>
  );
}
