//! How things stand, for operators.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{Class, gate::Standing};

/// Every route that was asked since the start.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverloadState {
    pub routes: Vec<RouteState>,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteState {
    #[schema(example = "/api/v1/authenticate")]
    pub route: String,
    /// Requests that may be worked on at once.
    pub limit: u32,
    /// Requests that are.
    pub in_flight: u32,
    /// Requests that wait for a place.
    pub waiting: u32,
    /// How many classes are refused, from below: 1.5 is all crawlers and half of the anonymous.
    pub threshold: f64,
    /// What an answer takes with hardly any load, in milliseconds, if that is known.
    pub least_ms: Option<f64>,
    /// What an answer takes now, in milliseconds.
    pub present_ms: f64,
    /// By class, best first.
    pub classes: Vec<ClassState>,
}

/// One class of callers on a route, counted since the start.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassState {
    pub class: Class,
    pub admitted: u64,
    pub refused: u64,
}

impl RouteState {
    pub(crate) fn new(route: &str, standing: &Standing) -> Self {
        let class = |class: Class| ClassState {
            class,
            admitted: standing.totals.admitted(class),
            refused: standing.totals.refused[class.place()].iter().sum(),
        };
        Self {
            route: route.to_owned(),
            limit: standing.limit,
            in_flight: standing.in_flight,
            waiting: standing.waiting,
            threshold: standing.threshold,
            least_ms: standing.least.map(|least| least.as_secs_f64() * 1000.0),
            present_ms: standing.present.as_secs_f64() * 1000.0,
            classes: Class::ALL.map(class).into(),
        }
    }
}
