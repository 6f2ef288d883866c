"""Lists the sections of params.yaml that say how the stages are run, not what they compute."""

from components.flows.flow import Flow
from components.flows.notify import Notify
from components.flows.promote import Promote
from components.flows.retrain import Retrain
from components.flows.serving import Serving

SECTIONS = {"flow": Flow, "retrain": Retrain, "promote": Promote, "notify": Notify, "serving": Serving}
