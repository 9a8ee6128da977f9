// Where one is, in the address: #/ the list, #/r/ROOM a room, #/r/ROOM/m/SEQ a message of it, #/r/ROOM/people its people.

export interface Place { room?: string; seq?: number; people?: boolean }

/** parsePlace reads a hash; what it does not understand is the list. */
export function parsePlace(hash: string): Place {
  const [head, room, what, seq] = hash.replace(/^#?\/?/u, '').split('/');
  if (head !== 'r' || !room) return {};
  const id = decode(room);
  if (!id || id.length > 128) return {};
  if (what === 'people') return { room: id, people: true };
  const number = Number(seq);
  return what === 'm' && Number.isSafeInteger(number) && number > 0 ? { room: id, seq: number } : { room: id };
}

export function formatPlace(place: Place): string {
  if (!place.room) return '#/';
  const base = `#/r/${encodeURIComponent(place.room)}`;
  if (place.people) return `${base}/people`;
  return place.seq ? `${base}/m/${place.seq}` : base;
}

/** Route follows the address bar. */
export class Route {
  place = $state.raw<Place>({});

  constructor(changed: (place: Place) => void) {
    this.place = parsePlace(location.hash);
    window.addEventListener('hashchange', () => {
      this.place = parsePlace(location.hash);
      changed(this.place);
    });
  }

  /** go adds an entry to the browser's history, so that its back button and gesture work; the same place again adds none. */
  go(place: Place): void {
    location.hash = formatPlace(place);
  }

  /** replace changes the address without an entry. */
  replace(place: Place): void {
    history.replaceState(history.state, '', formatPlace(place));
    this.place = place;
  }

  /** link is the whole address of a place, to be given to others. */
  link(place: Place): string {
    return new URL(formatPlace(place), location.href).href;
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
