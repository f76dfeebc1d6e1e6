/** localStorage, where the browser grants it; a refusal (private mode) only means that choices are forgotten. */

export function recall(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Refused: the choice holds until the page is closed.
  }
}
