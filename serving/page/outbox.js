// Labels on their way to the server. A label is kept in the browser's storage until the server has acknowledged it, so
// that neither a server that is away nor a page that is closed loses it.

import { wait } from "./dom.js";
import { Away, giveLabel, takeBack } from "./http.js";

const PREFIX = "unsent ";
const SLOWEST = 5000; // milliseconds between two tries
let made = 0;

/** All that waits, the oldest first: { key, id, label, who }, where label null takes a label back. */
export function listUnsent() {
    return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX)).sort()
        .map((key) => ({ key, ...JSON.parse(localStorage.getItem(key)) }));
}

export class Outbox {
    /** `told` has the listeners changed(), acknowledged(deed, answer), refused(deed, line) and away(line or ""). */
    constructor(told) {
        this.told = told;
        this.busy = false;
        this.stop = () => undefined;
        addEventListener("online", () => this.stop());
    }

    /** Keep a deed, send it, and return its key. */
    put(id, label, who) {
        // One key per deed, so that two windows do not overwrite each other's.
        const order = `${String(Date.now()).padStart(15, "0")} ${String((made += 1)).padStart(6, "0")}`;
        const key = `${PREFIX}${order} ${Math.random()}`;
        localStorage.setItem(key, JSON.stringify({ id, label, who }));
        this.told.changed();
        this.send();
        return key;
    }

    /** Send what waits, one after the other, until all is acknowledged. */
    async send() {
        if (this.busy) return;
        this.busy = true;
        for (let deed, pause = 250; (deed = listUnsent()[0]); ) {
            try {
                const answer = await (deed.label === null ? takeBack(deed.id, deed.who) : giveLabel(deed.id, deed.label, deed.who));
                localStorage.removeItem(deed.key);
                pause = 250;
                this.told.away("");
                this.told.acknowledged(deed, answer);
            } catch (fault) {
                if (fault instanceof Away) {
                    this.told.away(fault.message);
                    await Promise.race([wait(pause), new Promise((done) => { this.stop = done; })]);
                    pause = Math.min(2 * pause, SLOWEST);
                    continue;
                }
                localStorage.removeItem(deed.key);
                this.told.refused(deed, fault.message);
            }
            this.told.changed();
        }
        this.busy = false;
    }
}
