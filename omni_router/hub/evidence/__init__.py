"""What is published about how good models are: official benchmark boards, and the ratings of Arena."""

from omni_router.hub.evidence.arena import ATTRIBUTION
from omni_router.hub.evidence.service import HubEvidence
from omni_router.hub.evidence.snapshot import BoardRow, Evidence, EvidenceSnapshot, MatchedRows, boards_named

__all__ = ["ATTRIBUTION", "BoardRow", "Evidence", "EvidenceSnapshot", "HubEvidence", "MatchedRows", "boards_named"]
