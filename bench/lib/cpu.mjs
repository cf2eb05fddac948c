import { readFileSync } from 'node:fs';

const TICKS = 100; // of /proc, a second

/** CPU seconds that the machine's processes have used, and what the hypervisor took from it. */
function busy() {
  const [, ...fields] = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0].trim().split(/\s+/);
  const [user, nice, system, , , irq, softirq, steal] = fields.map(Number);
  return (user + nice + system + irq + softirq + steal) / TICKS;
}

/** CPU seconds of a process and of its children that ended; of one that is gone, nothing more. */
function used(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [utime, stime, childUser, childSystem] = fields.slice(11, 15).map(Number);
    return (utime + stime + childUser + childSystem) / TICKS;
  } catch {
    return 0;
  }
}

/** Begins to watch how many cores others than this program and its children keep busy; needs Linux's /proc. */
export function watchOthers(pids) {
  const own = () => [process.pid, ...pids].reduce((sum, pid) => sum + used(pid), 0);
  const [from, ownFrom, started] = [busy(), own(), performance.now()];
  /** @returns the cores that others used on average */
  return () => Math.max(0, (busy() - from - (own() - ownFrom)) / ((performance.now() - started) / 1000));
}
