//! Where backups are kept: a folder, or a bucket that speaks S3.

use std::{fmt, path::Path, sync::Arc};

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::{
    ObjectStore, ObjectStoreExt, PutPayload, aws::AmazonS3Builder, local::LocalFileSystem,
    path::Path as Name, prefix::PrefixStore,
};

/// A place for objects. Cheap to clone.
#[derive(Clone)]
pub struct Target {
    store: Arc<dyn ObjectStore>,
    told: String,
}

/// Why a target cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("the folder {0} cannot be made")]
    Folder(String, #[source] std::io::Error),
    #[error("`{0}` names no bucket: write s3://BUCKET/PREFIX")]
    Bucket(String),
    #[error(transparent)]
    Store(#[from] object_store::Error),
}

impl Target {
    /// A folder by its path, or `s3://BUCKET/PREFIX` with what the AWS tools read from the environment
    /// (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT`, `AWS_ALLOW_HTTP`).
    ///
    /// # Errors
    /// When the folder cannot be made, or the bucket's settings cannot be used.
    pub fn open(place: &str) -> Result<Self, TargetError> {
        let store: Arc<dyn ObjectStore> = match place.strip_prefix("s3://") {
            Some(bucket) => {
                let (bucket, prefix) = bucket.split_once('/').unwrap_or((bucket, ""));
                if bucket.is_empty() {
                    return Err(TargetError::Bucket(place.to_owned()));
                }
                let s3 = AmazonS3Builder::from_env().with_bucket_name(bucket).build()?;
                Arc::new(PrefixStore::new(s3, prefix))
            }
            None => {
                make_private(Path::new(place))
                    .map_err(|error| TargetError::Folder(place.to_owned(), error))?;
                // Shipped means synced.
                Arc::new(LocalFileSystem::new_with_prefix(place)?.with_fsync(true))
            }
        };
        Ok(Self { store, told: place.to_owned() })
    }

    /// Puts an object, whole or not at all, in the place of one that has the name.
    pub(crate) async fn put(&self, name: &str, object: Vec<u8>) -> Result<(), TargetError> {
        self.store.put(&Name::from(name), PutPayload::from(object)).await?;
        Ok(())
    }

    /// The object of this name, if there is one.
    pub(crate) async fn get(&self, name: &str) -> Result<Option<Bytes>, TargetError> {
        match self.store.get(&Name::from(name)).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The names of all ledgers of which there is anything.
    ///
    /// # Errors
    /// When the target cannot be read.
    pub async fn services(&self) -> Result<Vec<String>, TargetError> {
        let folders = self.store.list_with_delimiter(None).await?.common_prefixes;
        Ok(folders.iter().map(ToString::to_string).collect())
    }

    /// The names of all objects in a folder.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<String>, TargetError> {
        let listed = self.store.list(Some(&Name::from(folder)));
        Ok(listed.map_ok(|object| object.location.to_string()).try_collect().await?)
    }

    /// The names of those objects in a folder that come after this one.
    pub(crate) async fn list_after(&self, folder: &str, name: &str) -> Result<Vec<String>, TargetError> {
        let listed = self.store.list_with_offset(Some(&Name::from(folder)), &Name::from(name));
        Ok(listed.map_ok(|object| object.location.to_string()).try_collect().await?)
    }

    pub(crate) async fn delete(&self, name: &str) -> Result<(), TargetError> {
        match self.store.delete(&Name::from(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.told).finish()
    }
}
