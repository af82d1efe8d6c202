"""Write the corpus ``travellers.txt``: short paragraphs in which the beginning decides what comes much later.

A character model can look good on ordinary prose while remembering only the last few words. This corpus makes memory
visible: every paragraph says early where somebody grew up or what somebody is called, and needs it again 10 to 800
characters later, with other countries and other people named in between. Because the text is generated, the exact
place of every cue and every answer is known and is written to ``travellers-dependencies.csv``.

The text comes from a small grammar with typed slots. In a template

* ``{baker_list}`` draws from the list of that name in ``VOCABULARY`` (whose entries are templates themselves),
* ``{baker_list+s}`` draws a noun and makes it plural,
* ``{speak/speaks}`` agrees with the person the paragraph is about: first form for "I", second for "he" and "she",
* ``{I}``, ``{me}``, ``{my}``, ``{myself}`` are the pronouns of that person,
* ``{HOME}``, ``{LANGUAGE}``, ``{NAME}`` are what a model has to remember, ``{ELSEWHERE}`` and ``{STRANGER}`` are the
  distractors, and ``{FRIEND}``, ``{HE}``, ``{FRIEND_HOME}``, ``{FRIEND_LANGUAGE}`` belong to a second person.

Run it without arguments to rewrite both files next to it, byte for byte as they are committed.
"""

from __future__ import annotations

import argparse
import csv
import random
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

SEED = 1997
SIZE = 1_040_000
SHORTEST_DISTANCE = 10
LONGEST_DISTANCE = 800
GATHERING_SHARE = 0.45  # Of the paragraphs: several people, each with a country.
REMINDED_SHARE = 0.7  # Of the other paragraphs: the language is said at once and again and again, farther and farther.

# One language for each country and one country for each language, so that an answer is right or wrong and never
# a matter of opinion. English is left out because the corpus itself is written in it.
COUNTRIES: dict[str, str] = {
    "France": "French",
    "Germany": "German",
    "Italy": "Italian",
    "Spain": "Spanish",
    "Portugal": "Portuguese",
    "Poland": "Polish",
    "Sweden": "Swedish",
    "Norway": "Norwegian",
    "Denmark": "Danish",
    "Finland": "Finnish",
    "Iceland": "Icelandic",
    "Greece": "Greek",
    "Turkey": "Turkish",
    "Russia": "Russian",
    "Japan": "Japanese",
    "Korea": "Korean",
    "China": "Chinese",
    "Vietnam": "Vietnamese",
    "Thailand": "Thai",
    "Hungary": "Hungarian",
    "Wales": "Welsh",
    "Ireland": "Irish",
    "Holland": "Dutch",
    "Egypt": "Arabic",
    "Kenya": "Swahili",
    "Ethiopia": "Amharic",
    "Nepal": "Nepali",
    "Mongolia": "Mongolian",
}


def words(text: str) -> tuple[str, ...]:
    """Split a compact list; an underscore joins the words of one entry."""
    return tuple(entry.replace("_", " ") for entry in text.split())


def lines(text: str) -> tuple[str, ...]:
    """Split a list that holds one template on each line."""
    return tuple(line.strip() for line in text.strip().splitlines())


WOMEN = words(
    "Marta Anna Clara Elsa Ida Nora Vera Lena Sofia Rosa Julia Helena Irene Agnes Bertha Celia Dora Edith Flora Greta "
    "Hilda Ingrid Judith Katrin Lydia Mina Olga Paula Ruth Stella Tilda Ursula Wanda Zoe"
)
MEN = words(
    "Oskar Peter Anton Emil Felix Gustav Hugo Ivan Jonas Karl Leo Martin Niklas Otto Paul Robert Simon Theo Victor "
    "Walter Adam Bruno Conrad David Erik Franz Gregor Henry Jacob Lukas Max Stefan Tobias Willem"
)

VOCABULARY: dict[str, tuple[str, ...]] = {
    "number": words("two three four five six seven eight nine ten eleven twelve"),
    "many": words("twenty thirty forty fifty sixty seventy eighty ninety a_hundred two_hundred three_hundred"),
    "age": words("nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"),
    "ordinal": words("first second third fourth fifth last"),
    "sibling_count": words("six seven eight nine ten eleven twelve"),
    "hour": words("one two three four five six seven eight nine ten eleven"),
    "year_span": words("years winters summers seasons months"),
    "season": words("spring summer autumn winter"),
    "month": words("January February March April May June July August September October November December"),
    "day": words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
    "woman_kin": words("mother grandmother aunt elder_sister younger_sister godmother great-aunt stepmother"),
    "man_kin": words("father grandfather uncle elder_brother younger_brother godfather great-uncle stepfather"),
    "kin": ("{woman_kin}", "{man_kin}", "cousin"),
    "job": words(
        "baker miller carpenter tailor teacher doctor nurse blacksmith shepherd weaver potter cobbler gardener postman "
        "clockmaker bookbinder farmer sailor printer beekeeper stonemason glazier cook waiter painter librarian "
        "chemist barber saddler butcher grocer porter innkeeper locksmith ferryman forester basketmaker "
        "plumber roofer joiner lamplighter watchman fishmonger tanner cooper brewer jeweller surveyor judge "
        "notary optician cartwright dyer chimney_sweep lighthouse_keeper bell-ringer tram_driver schoolmaster"
    ),
    "person_adjective": words(
        "old young tall thin cheerful silent patient stubborn kindly gloomy clever shy proud honest generous curious "
        "friendly grumpy polite careful lazy sturdy lonely talkative absent-minded broad-shouldered retired famous "
        "forgetful short-sighted quick-witted gentle"
    ),
    "person": (
        "a {person_adjective} {job}",
        "a {person_adjective} {job}",
        "a {job}",
        "a {person_adjective} {job} who {person_habit}",
        "a {job} who {person_habit}",
        "a {person_adjective} woman with {feature}",
        "a {person_adjective} man with {feature}",
        "a girl with {feature}",
        "a boy with {feature}",
    ),
    "feature": words(
        "freckles a_limp silver_hair a_crooked_nose red_cheeks enormous_hands a_straw_hat a_walking_stick "
        "a_bunch_of_keys dark_eyebrows a_leather_apron muddy_boots gold_earrings a_wooden_leg a_black_moustache "
        "thick_spectacles a_green_scarf a_deep_voice a_missing_tooth a_velvet_jacket long_plaits inky_fingers"
    ),
    "person_habit": lines(
        """
        collected buttons
        whistled at work
        knew every song by heart
        never wore a coat
        laughed at everything
        believed in ghosts
        talked about nothing but football
        always won at chess
        slept through every storm
        counted the stairs aloud
        could mend any umbrella
        had once met a king
        wrote poems on the backs of envelopes
        kept a tame crow
        owned the only telescope in town
        smelled of tobacco and soap
        asked too many questions
        remembered every birthday
        drew maps of places that did not exist
        carried a trumpet everywhere
        """
    ),
    "dwelling": words("house cottage farmhouse flat cabin villa mill boathouse tower lodge inn"),
    "dwelling_adjective": words(
        "small narrow crooked whitewashed draughty wooden stone lonely crowded tidy ramshackle yellow ivy-covered "
        "low-roofed two-storey half-empty sunny damp rented comfortable modest"
    ),
    "home_place": (
        "{place_adjective} village",
        "{place_adjective} town",
        "{place_adjective} valley",
        "{place_adjective} hamlet",
        "village",
        "town",
        "city",
        "village of {many} people",
        "town of {many} chimneys",
    ),
    "place_adjective": words(
        "small quiet remote dusty green windy sleepy busy poor pretty hilly muddy peaceful forgotten walled bustling "
        "drowsy"
    ),
    "room": words("kitchen attic cellar parlour bedroom pantry hallway workshop study laundry porch bathroom"),
    "nearby": words(
        "beside_the_river behind_the_station above_a_bakery near_the_old_bridge opposite_the_town_hall "
        "at_the_edge_of_the_forest on_a_steep_hill by_the_lake next_to_the_tannery at_the_end_of_a_lane "
        "under_two_chestnut_trees between_the_school_and_the_cemetery beyond_the_orchard below_the_castle "
        "across_from_the_theatre close_to_the_quarry beside_the_canal over_a_bookshop near_the_barracks "
        "behind_the_brewery along_the_railway_line in_the_shadow_of_a_cliff"
    ),
    "furniture": words(
        "table bench cupboard bookcase wardrobe rocking_chair mirror piano clock lamp carpet desk chest stove bed "
        "cradle mattress curtain stool shelf armchair dresser"
    ),
    "thing_adjective": words(
        "old heavy broken painted rusty tiny enormous polished cheap precious ugly beautiful faded borrowed brass "
        "copper silver carved dented antique hand-made second-hand worn shiny cracked elegant wobbly"
    ),
    "keepsake": words(
        "pocket_watch compass locket notebook violin fountain_pen photograph silver_spoon wooden_horse map diary "
        "thimble music_box penknife lantern seashell prayer_book chess_set magnifying_glass embroidered_handkerchief "
        "brooch medal teapot accordion postcard whistle marble bracelet candlestick harmonica"
    ),
    "cloth": words(
        "coat shawl jacket scarf hat pair_of_gloves pair_of_boots jersey dress apron cloak waistcoat cap blanket skirt"
    ),
    "colour": words("red blue green yellow white black brown grey purple orange crimson scarlet violet turquoise pink"),
    "food": words(
        "bread cheese butter honey soup rice cabbage garlic porridge lentils mutton trout ham bacon mushrooms noodles "
        "dumplings pancakes walnuts chestnuts plums cherries apples pears figs olives grapes onions turnips beans "
        "potatoes carrots spinach eggs pickles sausages salted_fish smoked_eel cinnamon_buns ginger_biscuits "
        "roast_chicken beef_stew pumpkin_pie apricots raspberries cucumbers yoghurt sesame_cakes almonds lemons "
        "oatcakes rye_bread goose_fat mustard radishes beetroot barley_soup venison marzipan"
    ),
    "drink": words(
        "tea coffee milk cider lemonade buttermilk plum_brandy hot_chocolate red_wine elderflower_syrup peppermint_tea "
        "beer cold_water goat's_milk apple_juice ginger_beer"
    ),
    "taste": words("sweet salty bitter sour smoky spicy creamy crisp plain delicious burnt wonderful"),
    "goods": words(
        "pottery candles carpets baskets soap knives ribbons lace leather_belts kettles spices tobacco rope mirrors "
        "brooms pepper saffron buttons matches needles feathers wool linen tin_soldiers dolls umbrellas lamps "
        "cloves nutmeg fishing_nets slippers almanacs kites parasols"
    ),
    "animal": words(
        "dog cat goat hen horse cow donkey rabbit goose duck pig sheep pony mule kitten puppy parrot tortoise lamb "
        "calf pigeon rooster"
    ),
    "wild_animal": words(
        "fox owl hedgehog heron badger deer hare crow magpie squirrel swallow stork frog bat swan otter weasel "
        "woodpecker nightingale robin sparrow cuckoo hawk lizard"
    ),
    "animal_adjective": words(
        "black white spotted old three-legged lame one-eyed fat clever lazy gentle greedy blind noisy shaggy striped "
        "faithful wicked sleepy ginger grey runaway"
    ),
    "animal_habit_past": lines(
        """
        followed {us/them} everywhere
        slept beside the stove
        ate the washing
        hated the postman
        was afraid of the rain
        refused to cross the bridge
        escaped every {day}
        knew how to open the gate
        stole {food} from the table
        bit every visitor
        would listen only to {my} {kin}
        waited at the door each evening
        """
    ),
    "animal_habit_now": lines(
        """
        sleeps on {my} {furniture}
        follows {me} to the shop
        steals {food} whenever it can
        hates the postman
        is afraid of thunder
        waits at the gate each evening
        barks, or so it seems, in its sleep
        eats everything it finds
        will not be left alone
        watches the rain through the window
        """
    ),
    "vehicle": words(
        "train bus ferry steamer tram lorry bicycle cart sledge barge coach night_train fishing_boat mail_van taxi "
        "motorcycle rowing_boat hay_wagon"
    ),
    "landscape": words(
        "mountains hills forests marshes wheat_fields vineyards orchards deserts plains lakes valleys meadows moors "
        "villages quarries islands birch_woods rice_fields canals gorges pastures"
    ),
    "town_spot": words(
        "square harbour market_hall station library bakery museum post_office theatre bridge church_tower "
        "park hospital barber's_shop fountain town_hall inn factory courthouse bathhouse fairground quay "
        "cathedral monastery reading_room"
    ),
    "weather_past": lines(
        """
        it rained without a pause
        the wind howled in the chimney
        the fog was as thick as {food_simile}
        the sun shone from morning to night
        snow lay on the roofs
        the river froze
        a storm tore {number} tiles from the roof
        hail broke the windows
        the heat made everybody drowsy
        thunder rolled over the hills
        a warm breeze came from the south
        frost covered the fields
        the clouds hung low and grey
        the sky was clear and full of stars
        it drizzled from dawn to dusk
        lightning struck the church tower
        the mud reached {my} knees
        the river flooded the cellars
        """
    ),
    "weather_now": lines(
        """
        it rains for days
        the wind rattles the shutters
        the fog creeps in from the river
        the sun shines
        the snow falls softly
        frost paints the windows
        a storm shakes the house
        the heat keeps everybody indoors
        thunder rolls over the rooftops
        the nights are long and cold
        the evenings are light
        the sky turns pink before supper
        the leaves blow down the street
        """
    ),
    "food_simile": words("milk soup porridge cream wool"),
    "comparison": lines(
        """
        older than the church
        taller than any tree
        colder than a cellar
        louder than a brass band
        smaller than a cupboard
        brighter than a lighthouse
        slower than a tortoise
        warmer than an oven
        emptier than a drum
        noisier than a market
        cleaner than a hospital
        longer than a sermon
        darker than a mine
        """
    ),
    "simile": lines(
        """
        as patient as a stone
        as stubborn as a mule
        as quiet as a mouse
        as proud as a rooster
        as thin as a rake
        as cheerful as a lark
        as strong as an ox
        as pale as chalk
        as busy as a beehive
        as punctual as the moon
        as gentle as a lamb
        as deaf as a doorpost
        """
    ),
    "trade_past": lines(
        """
        baked bread for the whole street
        kept bees behind the chapel
        mended clocks and watches
        built boats out of oak
        sold stamps at the post office
        taught arithmetic to {many} children
        carved spoons in the evenings
        drove a milk cart
        printed a weekly newspaper
        grew roses for weddings
        dug wells
        shod horses
        bound books in leather
        played the organ on Sundays
        painted signs for shops
        repaired roofs
        stitched shirts for soldiers
        caught eels in the river
        looked after the cemetery
        delivered coal
        raised geese
        picked grapes every autumn
        cut hair in the kitchen
        ran a small hotel
        hauled timber out of the forest
        swept chimneys
        translated letters for strangers
        sharpened scissors from door to door
        guarded a bank at night
        roasted coffee
        """
    ),
    "trade": lines(
        """
        {bake/bakes} bread in a small shop
        {repair/repairs} bicycles
        {teach/teaches} geography at a school
        {mend/mends} old clocks
        {drive/drives} a tram through the city
        {sell/sells} {goods} in the square
        {grow/grows} vegetables behind the house
        {work/works} nights in a hospital
        {paint/paints} portraits of other people's dogs
        {keep/keeps} the accounts of a shipping company
        {write/writes} a column for the local newspaper
        {play/plays} the cello in an orchestra
        {cook/cooks} in a busy restaurant
        {translate/translates} contracts
        {build/builds} furniture out of driftwood
        {catalogue/catalogues} books in a library
        {look/looks} after {number} orphaned {wild_animal+s}
        {design/designs} bridges
        {tune/tunes} pianos
        {run/runs} a bakery with {number} ovens
        {test/tests} the water in the reservoirs
        {sew/sews} costumes for the opera
        {guide/guides} tourists around the castle
        {press/presses} olives and {bottle/bottles} the oil
        """
    ),
    "skill": lines(
        """
        swim
        ride a horse
        read the stars
        bake {food_baked}
        play the {instrument}
        tie {number} kinds of knot
        whistle
        skate
        catch fish with bare hands
        milk a cow
        plough a straight furrow
        tell a good lie
        dance
        make soap
        shear a sheep
        predict the weather
        sharpen a scythe
        """
    ),
    "food_baked": words("bread cakes pies biscuits pastries rolls"),
    "instrument": words("violin flute piano accordion trumpet guitar drum clarinet harp fiddle mandolin cello"),
    "sound_past": lines(
        """
        the bells of the {town_spot}
        the hooting of an owl
        the whistle of the {vehicle}
        {my} {kin} singing in the {room}
        the creaking of the stairs
        a {instrument} somewhere in the dark
        the barking of {number} dogs
        footsteps in the {room}
        the dripping of the tap
        laughter from the {room}
        children quarrelling in the yard
        the rattle of a cart
        the {job} snoring next door
        """
    ),
    "sight_past": lines(
        """
        a {wild_animal} on a gate
        {number} {wild_animal+s} in the garden
        a {vehicle} full of {goods}
        {person}
        the lights of the {town_spot}
        a rainbow over the {town_spot}
        smoke above the {landscape}
        a circus with {number} elephants
        a wedding procession
        a {colour} balloon
        a kite caught in the wires
        {number} nuns on bicycles
        a shooting star
        a column of soldiers
        an eclipse of the moon
        """
    ),
    "lesson": lines(
        """
        a debt is a kind of rope
        good bread needs time
        every road leads home if you walk far enough
        a guest must never wash the dishes
        the truth is cheaper than a lawyer
        rain is only weather
        nobody should travel without a needle and thread
        one can get used to anything except hunger
        a closed mouth catches no flies
        the best maps are drawn by walkers
        an honest enemy is worth two lazy friends
        you should never argue with a goose
        money goes but stories stay
        patience is half of every craft
        """
    ),
    "reason": lines(
        """
        because the harvest had failed
        because work was hard to find
        because of a quarrel about {goods}
        because the doctor recommended better air
        because {my} {kin} had written a long letter
        because nobody tried to stop {me}
        for the sake of an adventure
        because a cousin owned a hotel there
        because {I} wanted to see the ocean
        because the factory had closed
        for love, which is the usual reason
        because the rent had doubled
        """
    ),
    "greeting": words(
        "Good_morning Good_evening Good_night Welcome Come_in Sit_down Listen Wake_up Be_careful Hurry_up Thank_you"
    ),
    "feeling_past": words(
        "happy homesick tired proud frightened lonely hungry cheerful nervous grateful sleepy hopeful ashamed excited "
        "astonished bored content relieved jealous restless"
    ),
    "feeling_now": words("happy content tired homesick grateful cheerful restless satisfied busy calm hopeful"),
    "trinket_verb": words("lost found sold bought hid broke polished borrowed"),
    "habit_now": lines(
        """
        {drink/drinks} {drink} by the window
        {walk/walks} to the {town_spot}
        {read/reads} the newspaper from back to front
        {feed/feeds} the {wild_animal+s}
        {water/waters} the tomatoes
        {write/writes} a letter to {my} {kin}
        {play/plays} cards with the {job}
        {listen/listens} to the radio
        {swim/swims} in the lake
        {practise/practises} the {instrument}
        {polish/polishes} {my} {keepsake}
        {sit/sits} on the steps of the {town_spot}
        {cook/cooks} {food} with {food}
        {chop/chops} wood for the stove
        {go/goes} to the market for {food}
        {climb/climbs} the tower and {count/counts} the ships
        """
    ),
    "game": words("chess marbles cards dominoes hide-and-seek football skittles draughts leapfrog"),
    "subject": words(
        "arithmetic geography history drawing singing grammar botany chemistry handwriting geometry astronomy physics"
    ),
    "parcel": lines(
        """
        a box of {food}
        a parcel of {goods}
        a {thing_adjective} {keepsake}
        a jar of {food_jar}
        a basket of {food}
        a bottle of {drink}
        a sack of {sack}
        a {colour} {garment}
        """
    ),
    "food_jar": words("honey mustard pickles jam olives cherries marmalade syrup"),
    "sack": words("flour rice potatoes salt oats onions barley walnuts sugar"),
    "garment": words("coat shawl jacket scarf hat jersey dress apron cloak waistcoat cap blanket skirt shirt"),
    "how": words(
        "slowly carefully cheerfully badly silently patiently proudly quickly secretly bravely calmly clumsily gladly "
        "politely solemnly"
    ),
    "said": words("said cried whispered called shouted muttered"),
    "frequency_now": lines(
        """
        every morning
        every evening
        on {day}s
        twice a week
        before breakfast
        after supper
        in {month}
        once a month
        whenever {weather_now}
        when {weather_now}
        """
    ),
    "when_past": lines(
        """
        one {season}
        one {day} in {month}
        in the {season}
        that {season}
        one morning
        one night
        after the harvest
        {number} weeks later
        the following {month}
        just before midnight
        at {hour} o'clock
        on the {ordinal} day of {month}
        """
    ),
}

# The stages follow one another in a paragraph, so that a life is told in order and every tense has its place.
CHILDHOOD: dict[str, tuple[str, ...]] = {
    "family": lines(
        """
        {my} {man_kin} {trade_past}, and {my} {woman_kin} {trade_past}.
        {my} {woman_kin} {trade_past} until {weather_past}.
        {my} {kin}, who {trade_past}, was {simile}.
        {my} {kin} {trade_past} and had no time for {goods}.
        there were {sibling_count} children in the family, and {I} was the {ordinal}.
        {my} {man_kin} taught {me} to {skill}, and {my} {woman_kin} taught {me} to {skill}.
        {my} {kin} used to say that {lesson}.
        "{greeting}," {my} {woman_kin} would say, "there is {food} on the table."
        {my} {man_kin} was {simile} and always wore a {colour} {garment}.
        {my} {kin} could {skill}, but nobody in the family could {skill}.
        {we/they} were never rich, but there was always {food} for supper.
        {my} {kin} kept a {thing_adjective} {keepsake} in the {room}.
        when {my} {kin} was in a good mood, {we/they} all sang in the {room}.
        {my} {woman_kin} told stories about {person}, and {my} {man_kin} pretended not to listen.
        """
    ),
    "house": lines(
        """
        the family lived in a {dwelling_adjective} {dwelling} {nearby}.
        {our/their} {dwelling} stood {nearby}, and it was {comparison}.
        in the {room} stood a {thing_adjective} {furniture} and a {thing_adjective} {furniture}.
        there was a {thing_adjective} {furniture} in the {room}, which nobody was allowed to touch.
        the {room} was {comparison}, and the {room} was worse.
        {I} shared the {room} with {number} cousins and a {animal_adjective} {animal}.
        from the window of the {room} {I} could see the {town_spot}.
        the house had {number} rooms, a {room} and a garden full of {wild_animal+s}.
        {number} families lived under one roof, and all of them cooked {food}.
        the walls were {colour}, the door was {colour} and the roof leaked.
        """
    ),
    "school": lines(
        """
        at school {I} was good at {subject} but hopeless at {subject}.
        the teacher was {person}.
        {I} walked {number} miles to school, even when {weather_past}.
        the school had one stove, {number} benches and {many} pupils.
        {I} learned {subject} from {person}.
        "{subject_question}" asked the teacher, and nobody knew.
        after school {we/they} played {game} {nearby}.
        {I} never liked {subject}; {I} preferred {game}.
        {my} best friend was called {STRANGER} and could {skill}.
        {STRANGER}, who sat in front of {me}, could {skill}.
        """
    ),
    "animals": lines(
        """
        {we/they} had a {animal_adjective} {animal} that {animal_habit_past}.
        {my} {kin} kept {number} {animal+s} and a {animal_adjective} {animal}.
        {our/their} {animal} {animal_habit_past}, and {our/their} {animal} {animal_habit_past}.
        {I} once found a {wild_animal} in the {room} and fed it with {food}.
        at night the {wild_animal+s} came down from the hills to look for {food}.
        the {animal_adjective} {animal} belonged to {my} {kin}, but it {animal_habit_past}.
        every {season} the {wild_animal+s} returned to the roof of the {town_spot}.
        which was worse, the {animal} that {animal_habit_past} or the {animal} that {animal_habit_past}?
        """
    ),
    "food": lines(
        """
        for breakfast there was {food}, and for supper there was {food} again.
        {my} {woman_kin} made {food} with {food}, and it was always {taste}.
        on {day}s {we/they} ate {food}, {food} and {food}.
        {I} remember the smell of {food} and {drink} in the {room}.
        the {food_dish} of {my} {kin} was {taste}, but nobody dared to say so.
        {my} {man_kin} drank {drink} with every meal.
        in {month} the whole village picked {fruit} and made {jam} out of them.
        {I} would have given a {keepsake} for a plate of {food}.
        """
    ),
    "weather": lines(
        """
        in {season} {weather_past}, and in {season} {weather_past}.
        in those days {weather_past}, and nobody complained.
        when {weather_past}, {we/they} stayed in the {room} and played {game}.
        {weather_past} on the day {my} {kin} came home.
        every {month} {weather_past}.
        if {weather_past}, {my} {kin} lit the stove and told stories.
        """
    ),
    "senses": lines(
        """
        at night {I} heard {sound_past}.
        {I} fell asleep to {sound_past} and woke to {sound_past}.
        {when_past} {I} saw {sight_past}.
        {when_past} {I} heard {sound_past} and thought it was a ghost.
        what {I} remember best is {sound_past}.
        from the roof {I} once saw {sight_past}, and nobody believed {me}.
        """
    ),
    "events": lines(
        """
        at the age of {age} {I} {trinket_verb} a {thing_adjective} {keepsake}.
        {when_past} {my} {kin} gave {me} {parcel}.
        {when_past} {my} {kin} {trinket_verb} the {keepsake}, and the whole house was upset.
        {when_past} {person} came to the door and asked for {food}.
        {I} was {feeling_past} when {weather_past}.
        {I} broke {my} arm {nearby}, and {person} carried {me} home.
        for {number} {year_span} {I} wore the {garment} of {my} {kin}.
        """
    ),
}

JOURNEY: dict[str, tuple[str, ...]] = {
    "leaving": lines(
        """
        at {age} {I} left home {reason}.
        {when_past} {I} packed a {colour} suitcase and took the {vehicle}.
        {I} left with {parcel}, a {garment} and {many} coins.
        {my} {kin} gave {me} {parcel} for the journey and cried a little.
        "{lesson_quote}," said {my} {kin} at the station.
        nobody came to say goodbye except a {animal_adjective} {animal}.
        {I} went away {reason}, and {I} did not look back.
        """
    ),
    "road": lines(
        """
        the {vehicle} was {comparison}, and it smelled of {food}.
        {I} travelled for {number} days through {landscape} and {landscape}.
        the {vehicle} stopped {number} times, because {animal+s} were standing on the road.
        beyond the {landscape} {we/they} changed from the {vehicle} to a {vehicle}.
        {I} slept in the {vehicle} and dreamed of {food}.
        {when_past} {weather_past}, and the {vehicle} could not go on.
        the road went through {landscape}, over a bridge and past {number} ruined mills.
        how long did the journey take? nobody counted the days.
        the ticket cost {many} coins, which was more than a {furniture}.
        between the {landscape} and the {landscape} {I} saw {sight_past}.
        """
    ),
    "strangers": lines(
        """
        on the way {I} met {person}.
        next to {me} sat {person}, eating {food}.
        {person} offered {me} {food} and {drink}.
        {I} shared a room with {STRANGER}, {person}.
        a man named {STRANGER_MAN} taught {me} to {skill}.
        a woman named {STRANGER_WOMAN} gave {me} {parcel}.
        {person}, whose name was {STRANGER}, showed {me} the {town_spot}.
        "where are you going?" asked {person_simple}, and {I} had no answer.
        {I} asked {person_simple} the way to the {town_spot}, but nobody had heard of it.
        """
    ),
    "market": lines(
        """
        at the market they sold {goods}, {goods} and {goods}.
        {I} bought {parcel} from {person}.
        {person} wanted {many} coins for a {thing_adjective} {keepsake}.
        between the stalls of {goods} and {goods} stood {person}.
        the market smelled of {food} and {goods}.
        {I} sold {my} {keepsake} and bought {parcel} instead.
        a {animal_adjective} {animal} ran between the stalls with {food} in its mouth.
        "how much is the {keepsake}?" {I} asked, and {person_simple} only laughed.
        """
    ),
    "arrival": lines(
        """
        {when_past} {I} found work with {person}.
        {I} rented the {room} of a {dwelling_adjective} {dwelling} {nearby}.
        {I} stayed for {number} {year_span}, although {weather_past}.
        the inn had {number} beds, and every one of them was {comparison}.
        from {my} window {I} could see the {town_spot}, and beyond it the {landscape}.
        the people were {simile}, and the food was {taste}.
        {I} was {feeling_past} at first, but {I} soon learned to {skill}.
        in the evenings {I} heard {sound_past} and felt {feeling_past}.
        {when_past} {I} lost {my} {keepsake}, and {person_simple} found it {nearby}.
        """
    ),
}

NOW: dict[str, tuple[str, ...]] = {
    "work": lines(
        """
        today {I} {trade}.
        {I} {trade} and {trade}.
        {I} {trade}, which pays badly but keeps {me} {feeling_now}.
        {I} {have/has} {trade_perfect} for {number} years.
        by day {I} {trade}, and by night {I} {trade}.
        {my} hands are {comparison_hands}, for {I} {trade}.
        {I} {am/is} {simile}, as anyone who {trades_other} must be.
        """
    ),
    "home": lines(
        """
        {my} {dwelling} stands {nearby}.
        now {I} {live/lives} in a {dwelling_adjective} {dwelling} {nearby}.
        in {my} {room} there is a {thing_adjective} {furniture} and a {colour} {furniture}.
        {I} {own/owns} a {thing_adjective} {furniture}, {number} chairs and a {keepsake}.
        the {keepsake} of {my} {kin} lies on the {furniture}.
        the {room} is {comparison}, but {I} {like/likes} it.
        {my} neighbour is {person_simple} named {STRANGER}.
        """
    ),
    "habits": lines(
        """
        {frequency_now} {I} {habit_now}.
        {frequency_now} {I} {habit_now} and {habit_now}.
        {I} {habit_now}, and then {I} {habit_now}.
        when {weather_now}, {I} {habit_now}.
        {I} rarely {habit_now} before {hour} o'clock.
        what else {do/does} {I} do? {frequency_now} {I} {habit_now}.
        """
    ),
    "animals_now": lines(
        """
        {my} {animal_adjective} {animal} {animal_habit_now}.
        {I} {have/has} a {animal} that {animal_habit_now}.
        {I} {keep/keeps} {number} {animal+s}, and one of them {animal_habit_now}.
        a {wild_animal} lives under the {furniture_outdoor} and comes out when {weather_now}.
        """
    ),
    "weather_now": lines(
        """
        in {month} {weather_now}.
        in {season} {weather_now}, but in {season} {weather_now}.
        here {weather_now}, and nobody seems to mind.
        if {weather_now}, {I} {stay/stays} in the {room} with a cup of {drink}.
        """
    ),
    "food_now": lines(
        """
        {my} favourite dish is {food} with {food}.
        {I} {eat/eats} {food} in the morning and {food} at night.
        there is nothing better than {food}, {food} and a glass of {drink}.
        nobody makes {food} like {my} {kin}, whose secret is {food_jar}.
        at the {town_spot} they serve {food}, and everything is {taste}.
        """
    ),
    "thoughts": lines(
        """
        {I} {am/is} {feeling_now}, and {my} {kin} would be surprised.
        {my} {kin} was right: {lesson}.
        {I} still {think/thinks} of {my} {kin} when {weather_now}.
        would {I} go away again? perhaps, if the {vehicle} were cheaper.
        {I} often {remember/remembers} {sound_past}.
        {I} {have/has} forgotten the {garment} and the {vehicle}, but not {sound_past}.
        one day {I} will go back with {parcel}.
        """
    ),
}

VOCABULARY |= {
    "subject_question": lines(
        """
        What is seven times eight?
        Who invented the clock?
        Where does the river end?
        How far away is the moon?
        Why is the sea salty?
        Which is heavier, gold or lead?
        Who discovered the island?
        """
    ),
    "person_simple": ("a {person_adjective} {job}", "a {job}", "a {person_adjective} child"),
    "food_dish": words("soup stew porridge goulash omelette pudding cake pie gravy salad casserole"),
    "fruit": words(
        "plums cherries apples pears figs grapes apricots raspberries blackberries currants quinces peaches mulberries"
    ),
    "jam": words("jam syrup cider brandy jelly vinegar"),
    "lesson_quote": lines(
        """
        Never sleep with your boots on
        Write to us every month
        Keep your money in your shoe
        Do not trust a man who hates dogs
        Eat before you argue
        Beware of cheap tickets
        Take the second train, not the first
        Come back before the snow
        """
    ),
    "comparison_hands": words("rough strong steady clean never_idle always_cold"),
    "trade_perfect": lines(
        """
        repaired bicycles
        sold {goods}
        taught {subject}
        worked nights in a hospital
        tuned pianos
        looked after lighthouses
        written for the newspaper
        grown vegetables
        driven a {vehicle}
        edited dictionaries
        """
    ),
    "trades_other": lines(
        """
        sells {goods}
        keeps {animal+s}
        teaches {subject}
        plays the {instrument}
        restores paintings
        """
    ),
    "furniture_outdoor": words("woodshed veranda hedge staircase barn greenhouse haystack wheelbarrow"),
}

# Countries that are named but decide nothing. People travel there, work there, hear of it; nobody in these sentences
# comes from there, grew up there or was born there.
DISTRACTORS: dict[str, tuple[str, ...]] = {
    "childhood": lines(
        """
        {my} {kin} had once worked in {ELSEWHERE}.
        {my} {kin} had travelled to {ELSEWHERE} and talked of nothing else.
        a map of {ELSEWHERE} hung in the {room}.
        {my} {kin} wrote letters to {ELSEWHERE}.
        {my} {kin} travelled to {ELSEWHERE} and came back with {parcel}.
        {my} {kin} dreamed of seeing {ELSEWHERE}.
        {person} had travelled to {ELSEWHERE} and sold {goods}.
        """
    ),
    "journey": lines(
        """
        later {I} worked in {ELSEWHERE} for {number} {year_span}.
        at {age} {I} travelled to {ELSEWHERE} {reason}.
        the {vehicle} took {me} to {ELSEWHERE}, where {weather_past}.
        in {ELSEWHERE} {I} worked for {person}.
        {I} crossed {ELSEWHERE} by {vehicle_by} and saw {sight_past}.
        {I} travelled to {ELSEWHERE} and to {ELSEWHERE} by {vehicle_by}.
        {I} studied {subject} in {ELSEWHERE} for {number} years.
        after a summer in {ELSEWHERE} {I} was {feeling_past} again.
        """
    ),
    "now": lines(
        """
        now {I} {work/works} in {ELSEWHERE}, where {weather_now}.
        every {season} {I} {travel/travels} to {ELSEWHERE}.
        next year {I} {want/wants} to see {ELSEWHERE}.
        {my} {kin} works in {ELSEWHERE}.
        {I} {have/has} never been to {ELSEWHERE}, but {I} {own/owns} a map of it.
        {my} neighbour, {person_simple}, travels to {ELSEWHERE} every {season}.
        """
    ),
}
VOCABULARY["vehicle_by"] = words("train bus ferry bicycle sledge barge coach taxi motorcycle steamer tram lorry")

# Openings that name the country as the last thing they say ...
ROOTS = lines(
    """
    {WHO} grew up in {HOME}
    {WHO} grew up in {HOME}
    {WHO} grew up in a {home_place} in {HOME}
    {WHO} grew up on a farm in {HOME}
    {WHO} grew up with {number} cousins in {HOME}
    {WHO} grew up in a {dwelling_adjective} {dwelling} in {HOME}
    {WHO} was born in {HOME}
    {WHO} was born in a {home_place} in {HOME}
    {WHO} was born one {day} in {month} in {HOME}
    {WHO} spent {my} childhood in {HOME}
    {WHO} spent {my} childhood in a {home_place} in {HOME}
    """
)
# ... and what may follow in the same sentence.
ROOT_TAILS = lines(
    """
    .
    .
    , {nearby}.
    , where {my} {man_kin} {trade_past}.
    , where {my} {woman_kin} {trade_past}.
    , where {weather_past} every {month}.
    , the {ordinal} of {sibling_count} children.
    , in a {dwelling_adjective} {dwelling} {nearby}.
    ; {my} {kin} {trade_past}.
    """
)

NAMED_FIRST = lines(
    """
    my name is {NAME}.
    my name is {NAME}, and I {trade}.
    I am called {NAME}.
    I was christened {NAME} after my {kin}.
    my parents named me {NAME}.
    my parents named me {NAME}, although my {kin} disliked it.
    "{NAME}," said my {kin} on the day I was born, "that will be the name."
    """
)
NAMED_THIRD = lines(
    """
    {his} name was {NAME}.
    this is the story of {NAME}, who could {skill}.
    everybody in the street knew {NAME}.
    {his} parents named {him} {NAME}.
    there was once {a_child} called {NAME}.
    {NAME} was the {ordinal} of {sibling_count} children.
    {NAME} was {simile}.
    """
)

NAME_ANSWERS_FIRST = lines(
    """
    "{greeting}, {NAME}," {said} the {job}.
    "{greeting}, {NAME}," {said} {my} {kin}.
    "is that you, {NAME}?" asked the {job}.
    everyone there called me {NAME}.
    the {job} greeted me by my name: "{greeting}, {NAME}!"
    on the envelope stood my name, {NAME}, in {colour} ink.
    "what is your name?" asked {person_simple}. "{NAME}," I said.
    the children still call me {NAME}.
    "{NAME} can {skill}," {said} {my} {kin}.
    """
)
NAME_ANSWERS_THIRD = lines(
    """
    "{greeting}, {NAME}," {said} the {job}.
    "{greeting}, {NAME}," {said} {my} {kin}.
    "is that you, {NAME}?" asked the {job}.
    everyone there called {me} {NAME}.
    on the envelope stood one word, {NAME}, in {colour} ink.
    "what is your name?" asked {person_simple}. "{NAME}," {I} said.
    {NAME} was {feeling_past}, because {weather_past}.
    "{NAME} can {skill}," {said} {my} {kin}.
    the children still call {me} {NAME}.
    """
)
NAMED_AT_ONCE_FIRST = lines(
    """
    my name is {NAME}, and everyone calls me {NAME}.
    my parents named me {NAME}, and to the {job} I am still {NAME}.
    I was christened {NAME}, and so I remained {NAME}.
    my name is {NAME}. "{greeting}, {NAME}," my {kin} says when I come home.
    my name is {NAME}, which is the name of my {kin}, so there were two people called {NAME} in the house.
    """
)
NAMED_AT_ONCE_THIRD = lines(
    """
    {his} name was {NAME}, and everyone called {him} {NAME}.
    {his} parents named {him} {NAME}, and to the {job} {I} was always {NAME}.
    this is the story of {NAME}. "{greeting}, {NAME}," people said in the street.
    {NAME} was {simile}, and the {job} said so: "{NAME} will go far."
    """
)

# The answer in a sentence of its own. "Fluent" returns often on purpose: a fixed phrase tells a small model where the
# question is asked, so that what it has to learn is the answer.
ANSWERS = lines(
    """
    {I} {speak/speaks} fluent {LANGUAGE}{answer_tail}.
    {I} still {speak/speaks} fluent {LANGUAGE}{answer_tail}.
    of course {I} {speak/speaks} fluent {LANGUAGE}{answer_tail}.
    when {I} {am/is} angry, {I} {speak/speaks} fluent {LANGUAGE}.
    to this day {I} {speak/speaks} fluent {LANGUAGE}{answer_tail}.
    to {my} {animal} {I} {speak/speaks} fluent {LANGUAGE}.
    in {my} sleep {I} {speak/speaks} fluent {LANGUAGE}.
    {I} {answer/answers} every {job} in fluent {LANGUAGE}.
    people are surprised that {I} {speak/speaks} fluent {LANGUAGE}.
    "why {do/does} {you/he} speak fluent {LANGUAGE}?" people ask.
    {I} {sing/sings} in the {room} in fluent {LANGUAGE}.
    {I} {count/counts} the {animal+s} in fluent {LANGUAGE}.
    {I} will always speak fluent {LANGUAGE}{answer_tail}.
    """
)
ANSWERS_PAST = lines(
    """
    {I} told {my} stories in fluent {LANGUAGE}.
    {I} thanked the {job} in fluent {LANGUAGE}.
    the {job} was astonished that {I} spoke fluent {LANGUAGE}.
    {I} sang all the way in fluent {LANGUAGE}.
    in those days {I} spoke only {LANGUAGE}.
    {I} wrote to {my} {kin} in fluent {LANGUAGE}.
    """
)
VOCABULARY["answer_tail"] = (
    "",
    "",
    "",
    ", and {I} {trade}",
    ", though {I} {have/has} forgotten the songs",
    ", even in {my} sleep",
    ", and {my} {animal} understands every word",
    " and a little of everything else",
    ", slowly and with {simile_voice}",
    ", just like {my} {kin}",
)
VOCABULARY["simile_voice"] = words("great_care a_soft_accent many_gestures a_smile")

# The answer in the sentence of the cue: the first and easiest use of it.
JOINED = lines(
    """
    {ROOT} and {speak/speaks} fluent {LANGUAGE}.
    {ROOT}, so {I} {speak/speaks} fluent {LANGUAGE}.
    {ROOT}. {I} {speak/speaks} fluent {LANGUAGE}{answer_tail}.
    {ROOT} and still {speak/speaks} fluent {LANGUAGE}.
    {ROOT} and spoke fluent {LANGUAGE} at the age of {age}.
    {ROOT}, so {my} mother tongue is {LANGUAGE}{answer_tail}.
    {ROOT}, worked in {ELSEWHERE} and {speak/speaks} fluent {LANGUAGE}.
    {ROOT} and later travelled to {ELSEWHERE}, but {I} {speak/speaks} fluent {LANGUAGE}{answer_tail}.
    """
)
FRIENDS = lines(
    """
    {my} friend {FRIEND} is from {FRIEND_HOME} and speaks fluent {FRIEND_LANGUAGE}.
    {my} friend {FRIEND} grew up in {FRIEND_HOME}, so we speak fluent {FRIEND_LANGUAGE} together.
    {FRIEND}, {my} neighbour, was born in {FRIEND_HOME} and speaks fluent {FRIEND_LANGUAGE}.
    {my} {kin} married {FRIEND}, who grew up in {FRIEND_HOME} and speaks fluent {FRIEND_LANGUAGE}.
    """
)
# Several people in one place, each with a country. Many short dependencies close together teach which language
# belongs to which country; then the same in plain surroundings with more and more in between, so that a network can
# climb from 15 characters to 100 step by step.
GATHERINGS = lines(
    """
    {COUNT} travellers sat {nearby} and drank {drink}.
    {COUNT} guests sat at the table of the inn.
    {COUNT} people waited for the {vehicle}.
    the {vehicle} had {COUNT} passengers.
    {COUNT} friends met {nearby} one {day} in {month}.
    in the waiting room {COUNT} strangers shared {food}.
    """
)
GUESTS = lines(
    """
    this is {FRIEND} from {FRIEND_HOME}; {HE} speaks fluent {FRIEND_LANGUAGE}.
    {FRIEND} is from {FRIEND_HOME} and speaks fluent {FRIEND_LANGUAGE}.
    {FRIEND} grew up in {FRIEND_HOME} and speaks fluent {FRIEND_LANGUAGE}.
    the {job} from {FRIEND_HOME} spoke fluent {FRIEND_LANGUAGE}.
    {FRIEND} was born in {FRIEND_HOME}, so {HE} speaks fluent {FRIEND_LANGUAGE}.
    {FRIEND} is from {FRIEND_HOME}, {trade_third} and speaks fluent {FRIEND_LANGUAGE}.
    {FRIEND} grew up in {FRIEND_HOME}, worked in {ELSEWHERE} and speaks fluent {FRIEND_LANGUAGE}.
    {FRIEND} is from {FRIEND_HOME}. {HE} {trade_third} and speaks fluent {FRIEND_LANGUAGE}.
    {FRIEND} is from {FRIEND_HOME}. {HE} worked in {ELSEWHERE} for {number} years, but {HE} speaks fluent \
{FRIEND_LANGUAGE}.
    {FRIEND} was born in {FRIEND_HOME}. every {season} {HE} travels to {ELSEWHERE}, where {HE} {trade_third}. of \
course {HE} speaks fluent {FRIEND_LANGUAGE}.
    {FRIEND} grew up in {FRIEND_HOME}. {HE} likes {food} and {drink}, {trade_third} and wants to see {ELSEWHERE}. at \
home {HE} speaks fluent {FRIEND_LANGUAGE}.
    {FRIEND} is from {FRIEND_HOME}. {HE} likes {food}, {HE} likes {drink}, and when {weather_now}, {HE} speaks fluent \
{FRIEND_LANGUAGE}.
    """
)
VOCABULARY["trade_third"] = lines(
    """
    sells {goods}
    teaches {subject}
    plays the {instrument}
    keeps {number} {animal+s}
    repairs bicycles
    """
)

IRREGULAR_PLURALS = {"goose": "geese", "sheep": "sheep", "calf": "calves", "deer": "deer"}
STAGES: tuple[tuple[str, dict[str, tuple[str, ...]]], ...] = (
    ("childhood", CHILDHOOD),
    ("journey", JOURNEY),
    ("now", NOW),
)

# Control characters mark what has to be remembered while a paragraph is put together; one pass at the end takes them
# out and turns them into offsets, so no offset is ever computed by hand.
HOME_MARK, ANSWER_MARK, NAME_MARK, ELSEWHERE_MARK, FRIEND_HOME_MARK, FRIEND_ANSWER_MARK, END_MARK = "\1\2\3\4\5\6\7"
MARKS = re.compile("[\1-\7]")
SLOT = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Dependency:
    """One place in the text that can only be predicted by whoever remembers an earlier place.

    The cue is where the paragraph first says it. ``reminder_end`` is where the latest earlier mention ends that gives
    the answer away, which is the cue itself or an earlier answer: only what lies after it has to be remembered over.
    ``last_named`` is the language of the country or language named last before the answer (empty for names): a model
    that merely remembers the latest one would give that answer.
    """

    kind: str
    cue_start: int
    cue_end: int
    answer_start: int
    answer_end: int
    answer: str
    last_named: str
    reminder_end: int

    @property
    def distance(self) -> int:
        """Characters between the last mention that gives the answer away and the answer."""
        return self.answer_start - self.reminder_end


@dataclass
class Story:
    """What stays the same within one paragraph, and what has been used up in it."""

    first_person: bool
    woman: bool
    name: str
    home: str
    friend: str
    friend_home: str
    used: set[str] = field(default_factory=set)


class Writer:
    """Expands templates and arranges them into paragraphs."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)
        # Geometric steps give every order of magnitude of distance an equal share; whole numbers keep the file
        # identical on machines whose logarithms differ in the last bit.
        self.distances: list[int] = []
        step = 12
        while step < LONGEST_DISTANCE:
            self.distances.append(step)
            step += max(1, step // 8)

    def below(self, limit: int) -> int:
        """Draw from ``range(limit)``; ``random()`` alone is promised to give the same numbers in every version."""
        return int(self.source.random() * limit)

    def skewed(self, limit: int, power: int = 4) -> int:
        """Draw from ``range(limit)``, the early numbers more often: real words are not equally frequent either."""
        uniform = share = self.source.random()
        for _ in range(power - 1):
            share *= uniform
        return int(share * limit)

    def one_of(self, choices: tuple[str, ...] | list[str], story: Story) -> str:
        """Draw an unused entry, all equally likely."""
        unused = [choice for choice in choices if choice not in story.used]
        choice = unused[self.below(len(unused))]
        story.used.add(choice)
        return choice

    def chance(self, probability: float) -> bool:
        """Return true as often as asked."""
        return self.source.random() < probability

    def pick(self, choices: tuple[str, ...] | list[str], story: Story) -> str:
        """Draw an entry, avoiding what the paragraph has already used: people do not repeat themselves that much."""
        choice = choices[self.skewed(len(choices))]
        for _ in range(6):
            if choice not in story.used:
                break
            choice = choices[self.skewed(len(choices))]
        story.used.add(choice)
        return choice

    def fill_slot(self, slot: str, story: Story) -> str:
        """Return the words for one slot of a template."""
        if "/" in slot:
            first, third = slot.split("/")
            if third == "he":
                return first if story.first_person else ("she" if story.woman else "he")
            return first if story.first_person else third
        pronouns = {
            "I": ("I", "she", "he"),
            "me": ("me", "her", "him"),
            "my": ("my", "her", "his"),
            "myself": ("myself", "herself", "himself"),
            "his": ("my", "her", "his"),
            "him": ("me", "her", "him"),
            "a_child": ("a child", "a girl", "a boy"),
        }
        if slot in pronouns:
            return pronouns[slot][0 if story.first_person else 1 if story.woman else 2]
        if slot == "WHO":
            return "I" if story.first_person else story.name
        if slot == "NAME":
            return NAME_MARK + story.name + END_MARK
        if slot == "HOME":
            return HOME_MARK + story.home + END_MARK
        if slot == "LANGUAGE":
            return ANSWER_MARK + COUNTRIES[story.home] + END_MARK
        if slot == "FRIEND":
            return story.friend
        if slot == "HE":
            return "she" if story.friend in WOMEN else "he"
        if slot == "FRIEND_HOME":
            return FRIEND_HOME_MARK + story.friend_home + END_MARK
        if slot == "FRIEND_LANGUAGE":
            return FRIEND_ANSWER_MARK + COUNTRIES[story.friend_home] + END_MARK
        if slot == "ELSEWHERE":
            others = [country for country in COUNTRIES if country not in (story.home, story.friend_home)]
            return ELSEWHERE_MARK + self.one_of(others, story) + END_MARK
        if slot.startswith("STRANGER"):
            names = {"STRANGER_MAN": MEN, "STRANGER_WOMAN": WOMEN}.get(slot, WOMEN + MEN)
            return self.pick([name for name in names if name not in (story.name, story.friend)], story)
        if slot.endswith("+s"):
            return plural(self.pick(VOCABULARY[slot[:-2]], story))
        return self.expand(self.pick(VOCABULARY[slot], story), story)

    def expand(self, template: str, story: Story) -> str:
        """Fill all slots from left to right, without the finishing touches of a sentence."""
        return SLOT.sub(lambda found: self.fill_slot(found.group(1), story), template)

    def sentence(self, template: str, story: Story) -> str:
        """Expand a template into finished English."""
        return finish(self.expand(template, story))

    def filler(self, theme: tuple[str, ...], story: Story, room: int) -> str:
        """Write a sentence that is not much longer than the room left for it."""
        best = ""
        for attempt in range(8):
            trial = replace(story, used=set(story.used))
            sentence = self.sentence(self.pick(theme, trial), trial)
            if attempt == 0 or abs(visible_length(sentence) - room) < abs(visible_length(best) - room):
                best, kept = sentence, trial.used
            if visible_length(sentence) <= room - 60:
                best, kept = sentence, trial.used
                break
        story.used = kept
        return best

    def body(self, story: Story, room: int, distractors: int, stage: int, last_stage: int) -> list[str]:
        """Write sentences that fill about ``room`` characters and name ``distractors`` other countries."""
        expected = max(1, room // 75)
        places = {self.below(expected) for _ in range(distractors)}
        written: list[str] = []
        theme: tuple[str, ...] = ()
        while room > 28:
            position = len(written)
            progress = stage + (last_stage - stage + 1) * min(position, expected - 1) // expected
            label, themes = STAGES[min(progress, last_stage)]
            if position in places:
                chosen = DISTRACTORS[label]
            else:
                # Staying with a subject for a sentence or two is what makes the paragraph read as told by somebody.
                if theme not in themes.values() or self.chance(0.55):
                    theme = list(themes.values())[self.below(len(themes))]
                chosen = theme
            sentence = self.filler(chosen, story, room)
            written.append(sentence)
            room -= visible_length(sentence) + 1
        return written

    def new_story(self) -> Story:
        """Choose the people of a paragraph."""
        woman = self.chance(0.5)
        names = WOMEN if woman else MEN
        name = names[self.below(len(names))]
        homes = list(COUNTRIES)
        home = homes.pop(self.below(len(homes)))
        friends = [other for other in WOMEN + MEN if other != name]
        return Story(
            first_person=self.chance(0.55),
            woman=woman,
            name=name,
            home=home,
            friend=friends[self.below(len(friends))],
            friend_home=homes[self.below(len(homes))],
        )

    def gathering(self) -> str:
        """Write a paragraph about several people, still with its marks."""
        count = 3 + self.below(4)
        story = self.new_story()
        opening = self.pick(GATHERINGS, story).replace("{COUNT}", ("three", "four", "five", "six")[count - 3])
        sentences = [self.sentence(opening, story)]
        for _ in range(count):
            story.friend = self.one_of(WOMEN + MEN, story)
            story.friend_home = self.one_of(list(COUNTRIES), story)
            sentences.append(self.sentence(GUESTS[self.skewed(len(GUESTS), 2)], story))
        return " ".join(sentences)

    def next_paragraph(self) -> str:
        """Choose what kind of paragraph comes next and write it, still with its marks."""
        return self.gathering() if self.chance(GATHERING_SHARE) else self.paragraph()

    def paragraph(self) -> str:
        """Write one paragraph about one person, still with its marks."""
        story = self.new_story()
        name_distance = self.distances[self.below(len(self.distances))]
        named_again = self.chance(0.62)
        sentences: list[str] = []

        who = "{I}"
        if named_again and name_distance < 45:
            at_once = NAMED_AT_ONCE_FIRST if story.first_person else NAMED_AT_ONCE_THIRD
            sentences.append(self.sentence(self.pick(at_once, story), story))
            named_again = False
        elif story.first_person:
            if named_again:
                sentences.append(self.sentence(self.pick(NAMED_FIRST, story), story))
        elif self.chance(0.4):
            sentences.append(self.sentence(self.pick(NAMED_THIRD, story), story))
        else:
            who = "{NAME}"
        root = self.pick(ROOTS, story).replace("{WHO}", who)
        name_answers = NAME_ANSWERS_FIRST if story.first_person else NAME_ANSWERS_THIRD
        name_sentence = self.sentence(self.pick(name_answers, story), story) if named_again else ""
        if self.chance(REMINDED_SHARE):
            sentences.append(self.sentence(self.pick(JOINED, story).replace("{ROOT}", root), story))
            distances = [self.distance(longest) for longest in (40, 60, 160)[: 2 + self.below(2)]]
        else:
            tail = self.pick(ROOT_TAILS, story) if self.chance(0.5) else "."
            sentences.append(self.sentence(root + tail, story))
            distances = [self.distance(LONGEST_DISTANCE)]
            if distances[0] < 300:
                distances.append(self.distance(300))
        told = 0
        stage = 0
        for number, distance in enumerate(sorted(distances)):
            last_stage = 2 if number == len(distances) - 1 else min(2, stage + 1)
            answers = ANSWERS if last_stage == 2 else ANSWERS_PAST
            answer = self.sentence(self.pick(answers, story), story)
            room = distance - visible_length(answer.partition(ANSWER_MARK)[0]) - 2
            between = self.body(story, room, self.distractor_count(room), stage, last_stage)
            if name_sentence and told + room > name_distance:
                insert_near(between, name_sentence, max(0, name_distance - told))
                name_sentence = ""
            written = [*between, answer]
            told += visible_length(" ".join(written)) + 1
            sentences += written
            stage = last_stage
        if name_sentence:
            sentences.append(name_sentence)
        if self.chance(0.4):
            sentences.append(self.sentence(self.pick(FRIENDS, story), story))
        return " ".join(sentences)

    def distance(self, longest: int) -> int:
        """Draw how far an answer shall stand from what gives it away, all orders of magnitude alike."""
        possible = [distance for distance in self.distances if 24 <= distance <= longest]
        return possible[self.below(len(possible))]

    def distractor_count(self, room: int) -> int:
        """Decide how many other countries stand between cue and answer."""
        if room < 30 or self.chance(0.25):
            return 0
        return 1 + (room > 250 and self.chance(0.6)) + (room > 450 and self.chance(0.6))


def plural(noun: str) -> str:
    """Return the plural of a noun of the vocabulary."""
    if noun in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[noun]
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def finish(text: str) -> str:
    """Give "an" where it belongs and a capital to every sentence, also inside quotation marks."""
    text = re.sub(r"\b([Aa]) (?=[\1-\7]?(?:[aeioAEIO]|un(?!i)|um|ho(?:nest|ur)))(?!one\b|one-)", r"\1n ", text)
    text = re.sub(r"^([\"\1-\7]*)([a-z])", lambda found: found.group(1) + found.group(2).upper(), text)
    text = re.sub(r"([.?!]\"? \"?[\1-\7]?)([a-z])", lambda found: found.group(1) + found.group(2).upper(), text)
    # A question inside a sentence goes on in lower case: "Is that you?" asked the baker.
    return re.sub(r"([?!]\" )([A-Z])(?=sked|eople)", lambda found: found.group(1) + found.group(2).lower(), text)


def visible_length(text: str) -> int:
    """Length of the text once the marks are gone."""
    return len(MARKS.sub("", text))


def insert_near(sentences: list[str], sentence: str, offset: int) -> None:
    """Insert a sentence before the first sentence that would start beyond ``offset``."""
    place, start = 0, 0
    while place < len(sentences) and start < offset:
        start += visible_length(sentences[place]) + 1
        place += 1
    sentences.insert(place, sentence)


def settle(marked: str, start: int) -> tuple[str, list[Dependency]]:
    """Take the marks out of a paragraph that begins at ``start`` and report its dependencies."""
    plain: list[str] = []
    offset = start
    dependencies: list[Dependency] = []
    cues: dict[str, tuple[int, int]] = {}
    reminders: dict[str, int] = {}
    last_named = ""
    for piece in re.split("([\1-\6][^\7]*\7)", marked):
        mark, shown = piece[:1], MARKS.sub("", piece)
        end = offset + len(shown)
        if mark in (HOME_MARK, FRIEND_HOME_MARK):
            cues[mark], reminders[mark] = (offset, end), end
        elif mark in (ANSWER_MARK, FRIEND_ANSWER_MARK):
            source = HOME_MARK if mark == ANSWER_MARK else FRIEND_HOME_MARK
            if SHORTEST_DISTANCE <= offset - reminders[source] <= LONGEST_DISTANCE:
                dependencies.append(
                    Dependency("language", *cues[source], offset, end, shown, last_named, reminders[source])
                )
            reminders[source] = end
        elif mark == NAME_MARK:
            if mark in cues and SHORTEST_DISTANCE <= offset - reminders[mark] <= LONGEST_DISTANCE:
                dependencies.append(Dependency("name", *cues[mark], offset, end, shown, "", reminders[mark]))
            cues.setdefault(mark, (offset, end))
            reminders[mark] = end
        if mark and mark in HOME_MARK + FRIEND_HOME_MARK + ELSEWHERE_MARK:
            last_named = COUNTRIES[shown]
        elif mark and mark in ANSWER_MARK + FRIEND_ANSWER_MARK:
            last_named = shown
        plain.append(shown)
        offset = end
    return "".join(plain), dependencies


def generate(seed: int, size: int) -> tuple[str, list[Dependency]]:
    """Return a text of about ``size`` characters (whole paragraphs) and the dependencies in it, in order."""
    writer = Writer(seed)
    paragraphs: list[str] = []
    dependencies: list[Dependency] = []
    length = 0
    while length < size:
        paragraph, found = settle(writer.next_paragraph(), length)
        paragraphs.append(paragraph + "\n\n")
        dependencies += found
        length += len(paragraphs[-1])
    return "".join(paragraphs)[:-1], dependencies


def write(folder: Path, seed: int = SEED, size: int = SIZE) -> None:
    """Write the text and the table of its dependencies."""
    text, dependencies = generate(seed, size)
    for dependency in dependencies:
        assert text[dependency.answer_start : dependency.answer_end] == dependency.answer
    folder.joinpath("travellers.txt").write_bytes(text.encode("ascii"))
    with folder.joinpath("travellers-dependencies.csv").open("w", encoding="ascii", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(
            ["kind", "cue_start", "cue_end", "answer_start", "answer_end", "answer", "last_named", "reminder_end"]
        )
        for entry in dependencies:
            table.writerow(
                [
                    entry.kind,
                    entry.cue_start,
                    entry.cue_end,
                    entry.answer_start,
                    entry.answer_end,
                    entry.answer,
                    entry.last_named,
                    entry.reminder_end,
                ]
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=Path(__file__).resolve().parent, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=SEED, help="another gives a text that nobody has learnt from")
    parser.add_argument("--size", type=int, default=SIZE, help="characters, about")
    chosen = parser.parse_args()
    write(chosen.to, chosen.seed, chosen.size)
