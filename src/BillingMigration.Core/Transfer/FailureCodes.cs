namespace BillingMigration.Transfer;

/// <summary>What AWS's error codes mean. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html</summary>
internal static class FailureCodes
{
    public static bool IsThrottling(string? code) => code is "ProvisionedThroughputExceededException" or "ThrottlingException" or "RequestLimitExceeded"
        or "LimitExceededException"
        or "Throttling" or "TooManyRequestsException" or "ThrottledException" or "ProvisionedThroughputExceeded" or "ThrottlingError";

    public static bool IsExpired(string? code) => code is "ExpiredTokenException" or "ExpiredToken" or "TokenRefreshRequired";

    public static bool IsCredentialTrouble(string? code) => IsExpired(code) || code is "UnrecognizedClientException" or "InvalidSignatureException"
        or "InvalidClientTokenId" or "MissingAuthenticationToken" or "MissingAuthenticationTokenException" or "IncompleteSignature"
        or "IncompleteSignatureException" or "SignatureDoesNotMatch" or "RequestExpired" or "InvalidAccessKeyId";
}
