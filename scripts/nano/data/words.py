"""Words that charts, documents and clips of the drawn world are made of; the tokenizer is trained on them too."""

from __future__ import annotations

FIRST_NAMES = """Anna Ben Carla David Elena Felix Grace Henry Ida Jonas Karin Leo Maria Noah Olga Paul Rosa
Simon Tara Victor Alice Bruno Clara Daniel Emma Frank Hanna Ivan Julia Kevin Laura Martin Nina Oscar Petra Ralf
Sofia Thomas Ursula Wei""".split()
LAST_NAMES = """Adams Baker Clark Davis Evans Fisher Garcia Hill Ito Jones King Lopez Miller Novak Olsen Perez
Quinn Reed Smith Turner Vogel Walker Young Zimmer Brown Cohen Diaz Ford Gray Hughes Keller Lang Meyer Nolan Park
Rossi Schmidt Wong""".split()
CITIES = """Berlin Boston Cairo Delhi Dublin Geneva Hamburg Lima Lisbon London Madrid Milan Munich Oslo Paris
Prague Rome Seoul Sydney Tokyo Vienna Zurich Austin Bergen Denver Kyoto Lagos Porto Quito Riga Turin
Warsaw""".split()
MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
GOODS = """apples bananas bread butter carrots cheese chicken coffee cookies eggs fish flour garlic grapes honey
juice lemons milk noodles nuts oil olives onions oranges pasta peas pepper potatoes rice salad salt soap soup
sugar tea tomatoes water batteries books bottle bowl boxes brush candle chair clock cup desk fork glass gloves
hammer jacket keys knife lamp map nails notebook paper pen pencil phone plate radio rope ruler scarf shirt shoes
socks spoon table tape towel wallet""".split()
MEASURES = """Sales Revenue Profit Cost Units Visitors Orders Rainfall Temperature Output Energy Traffic Votes
Points Members Price Weight Height Speed Exports Imports Users Downloads Hours Tickets Budget Growth Population
Emissions Yield""".split()
FIELDS = """Name Date Total Address City Phone Order Invoice Number Amount Tax Price Quantity Item Customer
Company Subtotal Email Country Due Paid Balance Account Reference Status Signature Cashier Table Receipt Store
Change Cash Card""".split()
PROSE = """a able about above across after again all almost along also always and another any are around as ask
at away back bad be because been before began being best better between big book both bring but by call came can
car change children city close cold come could country day did different do does done door down each early earth
easy eat end enough even ever every example eye face family far fast father few find first follow food for form
found four free friend from full gave get girl give go good great green group grow had half hand hard has have
he head hear help her here high him his home house how idea if important in into is it its just keep kind know
land large last late learn leave left letter life light like line list little live long look made make man many
may me mean men might mile more most mother mountain move much must my name near need never new next night no
north not note now number of off often old on once one only open or order other our out over own page paper part
people place plant play point press problem put question quick rain read real red report rest right river room
run same saw say school sea second see seem sentence set she should show side since small so some something soon
south stand start state step still stop story study such sun take talk tell than that the their them then there
these they thing think this those though thought three through time to today together too took top toward town
tree try turn two under until up upon us use very walk want warm was watch water way we week well went were what
when where which while white who why will wind with without wood word work world would write year yes yet you
young your""".split()
