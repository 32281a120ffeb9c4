//! Who is let in, for whom they ask, and how often: what is decided about a request from its head alone, before
//! anything waits or is done for it.
//!
//! A [`Front`] looks at what was [`Seen`] of a request, and admits it or says the [`Answer`]. It knows nothing of
//! sockets and handlers.

mod alarm;
mod answer;
mod blocks;
mod challenge;
mod client;
mod cookies;
mod cors;
mod fields;
mod floods;
mod front;
mod headers;
mod html;
mod identify;
mod incidents;
mod inspection;
mod instruments;
mod limits;
mod networks;
mod person;
mod request_id;
mod rooms;
mod rule;
mod shared_blocks;
mod signers;
mod tenant;
mod told;
mod turned_away;

pub use alarm::AttackMode;
pub use answer::Answer;
pub use blocks::{Block, BlockError};
pub use challenge::AttackConfig;
pub use client::{ClientsConfig, ForwardedIn};
pub use cors::{Cors, CorsConfig, CorsError, CrossSite, Origin};
pub use fields::Fields;
pub use floods::FloodsConfig;
pub use front::{
    Admitted, Asker, AttackState, Front, FrontConfig, FrontError, FrontKnown, FrontState, Seen, Turn,
    TurnedAway,
};
pub use headers::{FromUpstream, Headers, HeadersConfig, HeadersError};
pub use identify::Identify;
pub use incidents::{Incident, IncidentKind, Incidents};
pub use inspection::{
    Beyond, BodyInspection, ExceptionConfig, InspectionConfig, InspectionError, InspectionMode,
    InspectionState, PrivateConfig, SendersConfig,
};
pub use limits::{LimitsConfig, LimitsError, RuleState};
pub use networks::NetworksConfig;
pub use person::{as_page, page_of, wants_page};
pub use request_id::{REQUEST_ID, RequestId, write_request_id};
pub use rooms::{RoomConfig, RoomStateNamed, Rooms, RoomsConfig, RoomsError};
pub use rule::{Part, Route, RouteError, RuleConfig, Share, household};
pub use shared_blocks::BlockChange;
pub use signers::{ServiceConfig, SignaturesConfig, SignersError};
pub use told::Told;
