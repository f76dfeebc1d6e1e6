// Before the first paint, so that a page in the light theme never flashes dark. A file of its own: no inline script.
(() => {
  let choice = null;
  try {
    choice = localStorage.getItem("iskra.theme");
  } catch {
    // Storage is refused (private mode): the system's preference alone counts.
  }
  const light = choice ? choice === "light" : matchMedia("(prefers-color-scheme: light)").matches;
  document.documentElement.dataset.theme = light ? "light" : "dark";
})();
