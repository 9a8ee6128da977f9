// What the browser keeps between visits. Where it keeps nothing (blocked, full, private window) memory stands in until the reload.

/** Keep is the part of Web Storage that is used here; a test gives its own. */
export interface Keep {
  get(key: string): string | null;
  set(key: string, value: string): void;
  remove(key: string): void;
  keys(prefix: string): string[];
}

/** memory keeps for as long as the page lives. */
export function memory(): Keep {
  const map = new Map<string, string>();
  return {
    get: (key) => map.get(key) ?? null,
    set: (key, value) => void map.set(key, value),
    remove: (key) => void map.delete(key),
    keys: (prefix) => [...map.keys()].filter((key) => key.startsWith(prefix)),
  };
}

/**
 * browserKeep keeps in localStorage under a scope made of the page's path, since several Hubbubs may share an origin. What localStorage
 * refuses goes to memory.
 */
export function browserKeep(path: string): Keep {
  const scope = `hubbub:${path}:`;
  const rest = memory();
  const guarded = <T>(use: (store: Storage) => T, otherwise: T): T => {
    try {
      return use(window.localStorage);
    } catch {
      return otherwise;
    }
  };
  return {
    get: (key) => rest.get(key) ?? guarded((store) => store.getItem(scope + key), null),
    set(key, value) {
      const kept = guarded((store) => (store.setItem(scope + key, value), true), false);
      if (kept) rest.remove(key);
      else rest.set(key, value);
    },
    remove(key) {
      rest.remove(key);
      guarded((store) => store.removeItem(scope + key), undefined);
    },
    keys(prefix) {
      const stored = guarded((store) => Object.keys(store).filter((key) => key.startsWith(scope + prefix)), []);
      return [...new Set([...stored.map((key) => key.slice(scope.length)), ...rest.keys(prefix)])];
    },
  };
}

/** readJSON gives what was kept under key if it is JSON and looks right, else undefined. */
export function readJSON<T>(keep: Keep, key: string, looksRight: (value: unknown) => value is T): T | undefined {
  try {
    const value: unknown = JSON.parse(keep.get(key) ?? 'null');
    return looksRight(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
