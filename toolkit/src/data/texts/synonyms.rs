//! The synonyms that ship: everyday words of English, a group a line.

/// Written for Jook. A word may stand in two groups.
const TABLE: &str = "\
good fine nice decent pleasant
great excellent superb wonderful terrific fantastic marvelous outstanding
beautiful lovely pretty charming gorgeous attractive
tasty delicious savory flavorful yummy appetizing
friendly kind warm cordial welcoming amiable
clean spotless tidy immaculate neat
quick fast speedy prompt swift rapid
comfortable cozy snug comfy
quiet calm peaceful silent tranquil
happy glad cheerful joyful merry delighted
helpful useful supportive obliging
fresh crisp
bright sunny luminous
cheap inexpensive affordable
bad poor lousy inferior mediocre
terrible awful horrible dreadful atrocious appalling
ugly hideous unsightly unattractive
bland tasteless insipid flavorless
rude impolite unfriendly discourteous surly
dirty filthy grimy messy unclean
slow sluggish tardy
uncomfortable cramped
noisy loud deafening
sad unhappy gloomy miserable sorrowful
useless worthless
stale spoiled rotten
dark dim dusky
expensive costly pricey overpriced
big large huge enormous giant
small little tiny minute
old ancient aged
new modern recent
strange odd peculiar weird
important essential crucial vital
difficult hard tough
easy simple effortless
clever smart intelligent bright
stupid foolish silly
angry furious mad
tired weary exhausted
afraid scared frightened
cold chilly icy
hot scorching
rich wealthy
sick ill unwell
strong powerful sturdy
weak feeble frail
boring dull tedious
funny amusing hilarious
very really truly extremely
quite rather fairly
often frequently regularly
always constantly
totally completely entirely
soon shortly
almost nearly
meal dinner supper
food fare
soup broth
dish plate
waiter server
staff personnel crew
host innkeeper
hotel inn lodge
room chamber bedroom
bathroom washroom
house home dwelling
street road avenue
car automobile
child kid youngster
movie film picture
story tale
job work task
shop store
town city
trip journey voyage
picture image
friend pal buddy
doctor physician
money cash
begin start commence
end finish conclude
buy purchase
speak talk
look glance
walk stroll
cry weep
laugh giggle
help assist aid
like enjoy
love adore
hate detest loathe
want desire
think believe
found considered
visit stay
";

pub(super) fn groups() -> Vec<Vec<String>> {
    let line = |line: &str| line.split(' ').map(str::to_owned).collect();
    TABLE.lines().map(line).collect()
}
