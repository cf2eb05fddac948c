// Made-up tweets to companies, in the form of RAFT's twitter complaints: a third of them complain. All comes of a seed.
import { Generator } from '@peft/core';

const companies = [
  '@northgrid',
  '@bluerail',
  '@parcelgo',
  '@fonefix',
  '@homebank',
  '@skyjet',
  '@gymclub',
  '@shopcart',
  '@waterworks',
  '@netline',
];
const things = [
  'bill',
  'order',
  'parcel',
  'phone',
  'train',
  'flight',
  'ticket',
  'card',
  'refund',
  'account',
  'delivery',
  'internet',
  'app',
  'water',
];
const days = ['today', 'on monday', 'this week', 'since friday', 'tonight', 'this morning'];

/** The classes of the task. */
export const classes = ['no complaint', 'complaint'];

/** One tweet and what is in it: `{ tweet, thing, label }`. */
function post(random) {
  const pick = (list) => list[random.integer(list.length)];
  const thing = pick(things);
  const who = pick(companies);
  const day = pick(days);
  const isComplaint = random.next() < 0.35;
  const text = isComplaint
    ? pick([
        () => `my ${thing} has not arrived ${day}`,
        () => `my ${thing} is broken again`,
        () => `I have no ${thing} ${day} and the bill is current and paid`,
        () => `I am still waiting for my ${thing} ${day}`,
        () => `the ${thing} does not work and nobody answers`,
        () => `you charged me twice for the ${thing}`,
        () => `the ${thing} is late ${day}, this is the worst service`,
        () => `I was promised a ${thing} ${day} and got nothing`,
      ])()
    : pick([
        () => `my ${thing} has arrived ${day}`,
        () => `I love the new ${thing}`,
        () => `the ${thing} works again ${day}`,
        () => `you helped me with the ${thing} ${day}`,
        () => `I have a question about the ${thing}, when do you open ${day}`,
        () => `the ${thing} is on time ${day}, this is the best service`,
        () => `I got my ${thing} ${day} and it is good`,
        () => `the bill for my ${thing} is paid ${day}`,
      ])();
  const end = isComplaint
    ? pick(['', '.', '. Can you do something about this?', '. Please help.', '!'])
    : pick(['', '.', '. Thanks!', '. Can you tell me?', '!']);
  const tweet = random.next() < 0.7 ? `${who} ${text}${end}` : `${text[0].toUpperCase()}${text.slice(1)} ${who}${end}`;
  return { tweet, thing, label: Number(isComplaint) };
}

/** Tweets for the task, as RAFT's files hold them: `{ 'Tweet text', Label }`. */
export function tweets(count, seed) {
  const random = new Generator(seed);
  return Array.from({ length: count }, () => {
    const { tweet, label } = post(random);
    return { 'Tweet text': tweet, Label: classes[label] };
  });
}

const replies = [
  ['glad to hear it', 'you are welcome', 'there is no complaint , we are happy too'],
  ['sorry to hear it', 'we will look into it', 'we have noted your complaint'],
];
const kinds = [
  ['praise', 'joy', 'nice chat'],
  ['problem', 'trouble', 'bad day'],
];

/**
 * What the stand-in is pretrained on: tweets with replies, and, as BLOOMZ was taught, instructions to answer questions about tweets
 * and to sort them in two by what they are or name. The guide's task, to sort out complaints, is none of them.
 */
export function* texts(seed) {
  const random = new Generator(seed);
  const pick = (list) => list[random.integer(list.length)];
  const sorted = (what, kind, is, tweet) =>
    `Classify if the tweet is ${what} ${kind} or not: Tweet text : ${tweet} Label : ${is ? kind : `no ${kind}`}`;
  for (;;) {
    const { tweet, thing, label } = post(random);
    const chance = random.next();
    if (chance < 0.25) yield `${tweet} Reply : ${pick(replies[label])}`;
    else if (chance < 0.35) yield `Tweet text : ${tweet} Topic : ${thing}`;
    else if (chance < 0.45) yield `Tweet text : ${tweet} Mood : ${['happy', 'angry'][label]}`;
    else if (chance < 0.55) yield `Tweet text : ${tweet} Answer : ${pick(replies[label])}`;
    else if (chance < 0.8) {
      const wanted = random.integer(2);
      yield sorted('a', pick(kinds[wanted]), wanted === label, tweet);
    } else {
      const named = random.next() < 0.5 ? thing : pick(things);
      yield sorted('about', named, named === thing, tweet);
    }
  }
}
