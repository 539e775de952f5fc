//! The API server goes away, and mesh members stay members.

use serde_json::json;
use tonic::Code;

use crate::caller::Caller;
use crate::ground::Ground;
use crate::objects::{OTHER_ADDRESS, Shop, WEB_ADDRESS};

// U3
#[tokio::test]
async fn renewal_goes_on_without_the_api_server_and_nobody_new_is_let_in() {
    let ground = Ground::start().await;
    let shop = Shop::open(&ground.client, json!({})).await;
    shop.account("web").await;
    let web = shop.pod("web", "web", WEB_ADDRESS, true).await;
    let late = shop.pod("late", "web", OTHER_ADDRESS, true).await;
    let caller = Caller::at(&ground, WEB_ADDRESS).await;
    let svid = caller.issue(&shop.projected("web", &web).await, None).await.unwrap();
    // A token that nobody was asked about yet.
    let fresh = shop.projected("web", &web).await;
    let of_late = shop.projected("web", &late).await;

    ground.lose_the_api_server().await;
    let renewed = caller.issue(&fresh, Some(&svid)).await.unwrap();
    assert_eq!(renewed.identity(), svid.identity());
    assert_eq!(ground.figure("kith_svids_renewed_without_review_total").await, 1);

    for (caller, token, svid) in [
        (&caller, &fresh, None),
        (&caller.moved(OTHER_ADDRESS), &of_late, None),
        (&caller.moved(OTHER_ADDRESS), &of_late, Some(&renewed)),
    ] {
        let status = caller.issue(token, svid).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
    }
}
