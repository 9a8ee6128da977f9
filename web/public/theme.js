// Runs before the first paint, so that a chosen theme does not flash. The scope is the one of src/lib/storage.ts.
(function () {
  try {
    var path = location.pathname.slice(0, location.pathname.lastIndexOf('/') + 1);
    var theme = localStorage.getItem('hubbub:' + path + ':theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch {
    // Without storage the system's theme is right.
  }
})();
