"""Cues: the words around an identifier that give it away, as flags in one integer a word.

Nothing here is a name or a place. Whoever extends the finder starts here: recognizing by cue holds for names that no list has.
"""

KIN, TITLE, GREETING, SAYS, DOES, TOWARDS, PLACED, FUNCTION, TIME, PERSONAL, THANKS, EPONYM, PET = (1 << bit for bit in range(13))

WORDS: dict[int, str] = {
    # "my sister X": people that a person has.
    KIN: """
        sister sis brother bro bruv mum mom mam mama mother mommy mummy momma dad father papa daddy pops son daughter wife
        husband hubby wifey partner bf gf boyfriend girlfriend ex fiance fiancee spouse cousin cuz aunt auntie aunty uncle nan
        nana nanna nanny gran grandma grandmother granny grandad granddad grandpa grandfather nephew niece friend bestie bff
        mate pal buddy boss manager supervisor teacher tutor neighbour neighbor flatmate roommate roomie housemate coworker
        colleague therapist counsellor counselor psychiatrist psychologist doctor gp nurse midwife worker keyworker carer
        caregiver caseworker sponsor coach landlord landlady baby kid child toddler twin stepdad stepmum stepmom stepfather
        stepmother stepson stepdaughter stepbrother stepsister crush girl boy guy lad lass bloke dude lady woman man kids boys
        girls twins sons daughters children sisters brothers friends mates cousins mil fil sil bil solicitor lawyer consultant
        surgeon dentist officer assistant director headteacher principal professor lecturer bfs gfs lover stalker abuser bully
        dealer classmate godson goddaughter godmother godfather grandson granddaughter grandkid client patient person someone
        somebody rapist attacker patient's pastor priest vicar imam rabbi stepkid foster mum's ate kuya didi bhai bhabhi oppa
        unnie amma appa nani dadi student pupil employee secretary receptionist dietitian dietician physio physiotherapist
        hygienist hairdresser babysitter childminder
        """,
    # "Dr X"
    TITLE: """
        dr doctor mr mrs ms miss mx prof professor sir dame nurse pastor rev reverend rabbi imam coach auntie aunty aunt uncle
        nana nan nanna granny gran grandma grandpa grandad granddad officer detective inspector sergeant sgt constable pc dc
        judge captain principal brother sister father fr mister missus cousin chief alhaji alhaja mama papa baba tita tito tia
        tio sheikh sensei bro sis cllr councillor mdm madam herr frau monsieur madame senor senora sr sra mme lady lord
        """,
    GREETING: "hi hey hello hiya heya hey dear yo morning afternoon evening goodnight night bye goodbye welcome congrats "
    "congratulations heyy hii helo ello namaste hola",
    THANKS: "thanks thank thankyou cheers ty thx sorry please pls listen love regards sincerely best yours truly "
    "respectfully faithfully",
    # "X said": what only a person does.
    SAYS: """
        said says told tells asked asks texted texts messaged replied reckons yelled yells shouted shouts screamed screams
        cheated cheats dumped dumps ghosted laughed laughs cried cries hit hits slapped punched kicked raped abused molested
        groped kissed kisses hugged hugs thinks thought wants wanted knows knew loves loved hates hated promised promises lied
        lies ignored ignores blocked keeps kept died passed left moved married proposed apologised apologized begged begs swore
        swears threatened threatens insists insisted believes smiled smiles nodded sighed whispered whispers rang called phoned
        hung stole beats grabbed pushed shoved broke walked drove came went ran sat stood lives lived works worked drinks drank
        smokes refuses refused admits admitted denies denied warned warns bullies bullied teases teased picks picked calls
        misses missed mentioned suggested suggests explained wrote sent found got took gave made asked brought bought quit
        overdosed relapsed hurts hurt cheating snores stays stayed dated fancies likes liked raised goes gets makes gives takes
        sends pays paid owes owed forgot forgets remembers drives drove argued argues argue apologises apologizes apologised
        visits visited cares cooks snapped moans nags whines sobbed weeps wept fights fought steals sold reckoned joked jokes mocks
        mocked cried stormed sulks texted
        brings comes shows showed tries tried started stopped stops helps helped explains
        """,
    # "X is", "X won't": a person does this, and so does much else.
    DOES: """
        is was has had isn't wasn't hasn't hadn't doesn't didn't won't wouldn't can't couldn't doesnt didnt wont wouldnt cant
        couldnt isnt wasnt does did would could should might must who who's and & or but will can never always just still used
        keeps to when aka
        """,
    # "told X", "with X": what is done towards a person.
    TOWARDS: """
        told tell telling asked ask asking with met meet meeting miss missed missing love loved loving hate hated dating dated
        date marry married kissed kiss hugged hug called texted texting text messaged message saw seen see seeing visit visited
        visiting phoned phone rang ring call forgive forgave trust trusted know knew knows blame blamed blaming help helped
        remember remembered between because named than like about against without fancy fancied ignore ignored left hurt hit
        divorced divorcing leave leaving lost for by to from beside after before until since given gave let lets makes made
        thanks hear heard hearing
        """,
    # "live in X": a place follows.
    PLACED: """
        in from near nr at to around outside towards toward via across leaving visiting visit visited reach reached above below
        within beyond inside of for
        """,
    # Words that are no name, whatever stands before them.
    FUNCTION: """
        a an the and or but if so as at by for from in into of on off out over to up with without about after again all also am
        an any are aren't as ask be because been before being between both but can cannot can't could couldn't did didn't do
        does doesn't doing don't dont down during each even ever every everyone everything few fine for further get gets getting
        go goes going gonna good got great had has have haven't having he her here here's hers him himself his how i i'd i'll
        i'm i've im ive id if in is isn't it it's its just know later let like lol look me maybe might mine more most much must
        my myself need never no nobody none nor not nothing now of ok okay old omg on once one only other our ours please quite
        rather really right same say see she should since so some someone something soon sorry still such than thanks that
        that's the their them then there there's these they they're thing things think this those though through too totally tho
        u under until up upon ur us very via want was wasn't way we well were what what's whatever when where which while who
        whom whose why will wont won't with would wouldn't wow ya yeah yes yet you you're your yours yourself everybody anyone
        anybody somebody everyone's guys guy folks friend friends all y'all lovely dear team doc doctor nurse sir madam ma'am
        maam man men woman women mate mates buddy pal girl girls boy boys baby babe bro dude lady ladies gentlemen sweetheart
        honey hun love darling son kid kids mum mom dad mother father today tomorrow tonight yesterday morning afternoon evening
        night day week month year monday tuesday wednesday thursday friday saturday sunday said says told asked made may might
        left first last next new another many several two three four five six seven eight nine ten hundred half feeling feel
        feels felt hoping trying sure not always already almost currently also actually basically honestly literally seriously
        just pretty back home work school away alone done lost tired sad happy depressed anxious scared worried afraid angry
        stressed stuck broken okay alright called named born from new unable able aware writing looking having help welcome
        hello hi hey bye goodbye amazing useless stupid crazy ugly fat worthless lazy weird names name mr mrs ms miss dr prof
        it's he's she's that's what's who's let's there's here's where's how's i'm i've i'd i'll you're you've you'll you'd
        we're we've we'll we'd they're they've they'll they'd
        """,
    TIME: """
        january february march april may june july august september october november december jan feb mar apr jun jul aug sep
        sept oct nov dec monday tuesday wednesday thursday friday saturday sunday mon tue tues wed weds thu thur thurs fri sat
        sun mondays tuesdays wednesdays thursdays fridays saturdays sundays spring summer autumn fall winter
        """,
    # A sentence with one of these is about somebody.
    PERSONAL: """
        i me my mine myself im ive id i'm i've i'd i'll we our ours we're we've we'll he him his she her hers he's she's hes
        shes him himself herself they their them dad mum mom mother father sister brother wife husband son daughter bf gf
        boyfriend girlfriend ex friend cousin aunt uncle nan gran grandma grandad parents parent kids family partner
        """,
    # "Parkinson's disease": what is named after a person is no person.
    EPONYM: """
        disease diseases syndrome syndromes disorder palsy lymphoma sarcoma tumor tumour test tests scale scales inventory index
        theory theories law laws method methods model models technique sign criteria questionnaire effect study studies
        experiment experiments cycle chart formula score institute foundation clinic award prize street road university college
        school hospital library museum center centre award day park lake river helpline hotline lifeline app curve principle
        carvery tavern grill diner brewery
        """,
    PET: """
        dog cat puppy kitten hamster rabbit horse pony parrot budgie bird pup doggo kitty pet cats dogs guinea
        """,
}


def collect() -> dict[str, int]:
    cues: dict[str, int] = {}
    for cue, words in WORDS.items():
        for word in words.split():
            cues[word] = cues.get(word, 0) | cue
    return cues


CUES = collect()
