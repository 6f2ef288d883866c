// Which key gives which class. A class that is called by one letter or digit has that key; the others take the digits
// 1 ... 9, 0 and then the letters, in order. A class keeps its key when others are added at the end.

const POOL = [..."1234567890abcdefghijklmnopqrstuvwxyz"];

/** Map each class to its key; where the keys do not suffice, the last classes have none. */
export function assignKeys(classes) {
    const keys = new Map();
    const taken = new Set();
    const take = (name, key) => { keys.set(name, key); taken.add(key); };
    for (const name of classes) {
        const key = name.toLowerCase();
        if (POOL.includes(key) && !taken.has(key)) take(name, key);
    }
    for (const name of classes) {
        if (keys.has(name)) continue;
        const key = POOL.find((one) => !taken.has(one));
        if (key) take(name, key);
    }
    return keys;
}
