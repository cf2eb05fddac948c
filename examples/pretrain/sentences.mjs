// Made-up sentences of financial news with the mood of an investor who reads them, in the form of the financial phrasebank: most say
// nothing good or bad, and what rises may be sales or costs. All comes of a seed.
import { Generator } from '@peft/core';

const heads = [
  'Alden',
  'Berga',
  'Corvin',
  'Delmar',
  'Estuna',
  'Fenmark',
  'Galvia',
  'Hollin',
  'Istra',
  'Jonvik',
  'Kelda',
  'Lumeo',
  'Marno',
  'Norvia',
];
const tails = ['Oyj', 'Group', 'Bank', 'Steel', 'Paper', 'Foods', 'Telecom', 'Systems'];
const countries = ['Finland', 'Sweden', 'Russia', 'Poland', 'Norway', 'India', 'China'];
const peoples = ['Lithuanian', 'Estonian', 'Finnish', 'Swedish', 'Polish', 'Latvian'];
const goods = ['beer', 'paper', 'steel', 'milk', 'furniture', 'glass'];
const months = ['January', 'March', 'May', 'June', 'October', 'November'];
const quarters = ['the first quarter', 'the second quarter', 'the third quarter', 'the year'];
const wanted = ['net sales', 'operating profit', 'net profit', 'turnover', 'orders', 'earnings per share'];
const unwanted = ['costs', 'net loss', 'debt', 'operating loss', 'cancellations'];
const rises = ['rose', 'grew', 'increased', 'climbed'];
const falls = ['fell', 'decreased', 'dropped', 'declined'];

/** The words of the task. */
export const labels = ['negative', 'neutral', 'positive'];

/** One sentence and what it is about: `{ sentence, company, direction, label }`, where the direction is up, down or flat. */
function news(random) {
  const pick = (list) => list[random.integer(list.length)];
  const number = () => `${1 + random.integer(99)}.${random.integer(10)}`;
  const amount = () => `EUR ${number()} mn`;
  const company = `${pick(heads)} ${pick(tails)}`;
  const said = pick(['', '', ' , the company said', ` , ${company} said on ${pick(months)} ${1 + random.integer(28)}`]);
  const chance = random.next();
  if (chance < 0.6) {
    const sentence = pick([
      () => `${company} will publish its report for ${pick(quarters)} in ${pick(months)}${said} .`,
      () => `${company} has ${10 * (1 + random.integer(90))} employees in ${pick(countries)} and ${pick(countries)}${said} .`,
      () => `The shares of ${company} are listed in ${pick(countries)} .`,
      () => `${company} will move its office in ${pick(countries)} to a new address${said} .`,
      () => `${company} makes ${pick(goods)} and ${pick(goods)} in ${pick(countries)} .`,
      () => `The value of the deal between ${company} and ${pick(heads)} ${pick(tails)} was not told${said} .`,
      () => `${company} has named a new head of its ${pick(goods)} unit in ${pick(countries)}${said} .`,
    ])();
    return { sentence, company, direction: 'flat', label: 'neutral' };
  }
  const isGood = chance < 0.85;
  const label = isGood ? 'positive' : 'negative';
  const isUp = random.next() < 0.7 ? isGood : !isGood;
  const direction = isUp ? 'up' : 'down';
  const verb = pick(isUp ? rises : falls);
  const noun = isUp ? 'rise' : 'fall';
  // What an investor wants to rise, or not.
  const measure = pick(isUp === isGood ? wanted : unwanted);
  const sentence = pick([
    () => `In ${pick(quarters)} , ${measure} of ${company} ${verb} to ${amount()} from ${amount()}${said} .`,
    () => `${company} 's ${measure} ${verb} by ${number()} % to ${amount()}${said} .`,
    () => `${measure[0].toUpperCase()}${measure.slice(1)} of ${company} ${verb} clearly in ${pick(countries)}${said} .`,
    () => `${company} said that its ${measure} ${verb} to ${amount()} in ${pick(months)} .`,
    ...(isUp === isGood
      ? [
          () =>
            `The ${pick(peoples)} ${pick(goods)} market made up ${number()} million liters in ${pick(months)} , a ${noun} of ${number()} percent from the year-earlier figure , the ${company} reporting .`,
        ]
      : []),
  ])();
  return { sentence, company, direction, label };
}

/** Sentences for the task: `{ sentence, text_label }`. */
export function sentences(count, seed) {
  const random = new Generator(seed);
  return Array.from({ length: count }, () => {
    const { sentence, label } = news(random);
    return { sentence, text_label: label };
  });
}

const after = {
  positive: ['The mood of investors was positive .', 'Investors were pleased .', 'The shares gained .'],
  neutral: ['The mood of investors was neutral .', 'Investors were calm .', 'The shares were unchanged .'],
  negative: ['The mood of investors was negative .', 'Investors were worried .', 'The shares lost .'],
};

/**
 * What the stand-in is pretrained on, `{ input, target }` as T5 was: texts with a gap, where news are followed by how they were taken,
 * and some tasks told by name. The guide's task, a sentence alone for the one word, is none of them.
 */
export function* lessons(seed) {
  const random = new Generator(seed);
  for (;;) {
    const { sentence, company, direction, label } = news(random);
    const chance = random.next();
    if (chance < 0.1) yield { input: `company : ${sentence}`, target: company };
    else if (chance < 0.25) yield { input: `direction : ${sentence}`, target: direction };
    else if (chance < 0.4)
      yield { input: `shares : ${sentence}`, target: { positive: 'gained', neutral: 'unchanged', negative: 'lost' }[label] };
    else if (chance < 0.55)
      yield { input: `investors : ${sentence}`, target: { positive: 'pleased', neutral: 'calm', negative: 'worried' }[label] };
    else yield gap(`${sentence} ${after[label][random.integer(3)]}`.split(' '), random, chance < 0.8);
  }
}

/** A text with one or two gaps, and what stood there. @param atEnd whether a gap is where the text tells the mood */
function gap(words, random, atEnd) {
  const starts = atEnd ? [words.length - 2] : [random.integer(words.length - 6), words.length - 4 + random.integer(3)];
  const input = [];
  const target = [];
  let at = 0;
  for (const [i, start] of starts.entries()) {
    const end = Math.min(words.length, start + 1 + (atEnd ? 0 : random.integer(2)));
    input.push(...words.slice(at, start), `<extra_id_${i}>`);
    target.push(`<extra_id_${i}>`, ...words.slice(start, end));
    at = end;
  }
  input.push(...words.slice(at));
  target.push(`<extra_id_${starts.length}>`);
  return { input: input.join(' '), target: target.join(' ') };
}
