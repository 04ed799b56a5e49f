const { WebSocket } = globalThis;

/** Profiles the CPU of a process that was started with `--inspect`, while it runs. */
export class Inspector {
  #socket;
  #answers = new Map();
  #sent = 0;

  /** `address`: host and port that the process listens on for inspectors. */
  static async attach(address) {
    const [{ webSocketDebuggerUrl }] = await (await fetch(`http://${address}/json`)).json();
    const inspector = new Inspector();
    inspector.#socket = new WebSocket(webSocketDebuggerUrl);
    inspector.#socket.addEventListener('message', ({ data }) => inspector.#take(JSON.parse(data)));
    await new Promise((resolve, reject) => {
      inspector.#socket.addEventListener('open', resolve);
      inspector.#socket.addEventListener('error', () => reject(new Error('The inspector cannot be reached.')));
    });
    return inspector;
  }

  /** The profile of what the process did while `work` ran, with what `work` gave. */
  async profile(work, intervalUs = 500) {
    await this.#send('Profiler.enable');
    await this.#send('Profiler.setSamplingInterval', { interval: intervalUs });
    await this.#send('Profiler.start');
    const result = await work();
    const { profile } = await this.#send('Profiler.stop');
    return { profile, result };
  }

  close() {
    this.#socket.close();
  }

  #send(method, params = {}) {
    const id = ++this.#sent;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) => this.#answers.set(id, { resolve, reject }));
  }

  #take({ id, result, error }) {
    const answer = this.#answers.get(id);
    this.#answers.delete(id);
    if (error) answer?.reject(new Error(error.message));
    else answer?.resolve(result);
  }
}
