// A page that asks for itself again while something on it may change; htmx asks, and replaces what is different.
// Not in a hidden tab, and no more when the server says that nothing will change.
(() => {
  "use strict";
  const STALE_AFTER = 10000; // Milliseconds.
  let last = Date.now();

  function mayChange() {
    return document.querySelector("#live[data-may-change]") !== null;
  }

  function heard() {
    last = Date.now();
    document.body.classList.remove("is-lost");
  }

  document.addEventListener("htmx:before:request", (event) => {
    if (document.hidden || !mayChange()) event.preventDefault();
  });
  // Neither an error nor another page, such as that to sign in, takes the place of what is shown.
  document.addEventListener("htmx:before:swap", (event) => {
    if (!event.detail.tasks.some((task) => task.fragment.querySelector("#live"))) event.preventDefault();
  });
  document.addEventListener("htmx:after:swap", heard);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) last = Date.now(); });
  setInterval(() => {
    const isLost = !document.hidden && mayChange() && Date.now() - last > STALE_AFTER;
    if (isLost) document.body.classList.add("is-lost");
  }, 1000);
})();
