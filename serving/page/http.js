// What the server is asked, and the two ways in which it can fail: it refuses (its one line says why), or it is away.

/** The server understood, and refuses: trying again would not help. */
export class Refused extends Error {}

/** The server does not answer, is overloaded or fails: trying again may help. */
export class Away extends Error {}

const PATIENCE = 20000; // milliseconds
const PASSING = [401, 403, 408, 425, 429]; // refusals that may pass: too many requests, a token that is not given yet

const path = (id) => encodeURIComponent(id); // as a whole: an id holds slashes, and may hold dots

/** Ask for JSON; `options` are those of fetch. */
export async function ask(address, options = {}) {
    const limit = AbortSignal.timeout(PATIENCE);
    const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
    let answer, said;
    try {
        answer = await fetch(address, { ...options, signal });
        said = await answer.json().catch(() => ({}));
    } catch (fault) {
        if (options.signal?.aborted) throw fault;
        throw new Away("The server does not answer.");
    }
    if (answer.ok) return said;
    const line = typeof said.detail === "string" ? said.detail : `The server answers ${answer.status}.`;
    throw answer.status >= 500 || PASSING.includes(answer.status) ? new Away(line) : new Refused(line);
}

const upload = (file) => ({
    method: "POST", body: file, headers: { "Content-Type": file.type || "application/octet-stream" },
});

/** What is asked about: an image of the server's, { id }, or one from here, { file }. */
const about = (name, { id, file }, count, signal) => {
    const address = `/${name}?${new URLSearchParams({ ...(id === undefined ? {} : { id }), ...count })}`;
    return ask(address, { ...(file ? upload(file) : {}), signal });
};

export const search = (image, signal) => about("search", image, { k: 12 }, signal);
export const classify = (image) => about("classify", image, {});
export const readMap = () => ask("/map");
export const readVersion = () => ask("/version");
export const nextToLabel = (count) => ask(`/labels/next?count=${count}`);
export const giveLabel = (id, label, who) => ask(`/labels/${path(id)}`, {
    method: "PUT", body: JSON.stringify({ label, who }), headers: { "Content-Type": "application/json" },
});
export const takeBack = (id, who) => ask(`/labels/${path(id)}?${new URLSearchParams({ who })}`, { method: "DELETE" });
export const thumbnail = (id, side) => `/images/${path(id)}?side=${side}`;
