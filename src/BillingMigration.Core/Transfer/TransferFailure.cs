using System.Net.Sockets;
using System.Text.Json;

namespace BillingMigration.Transfer;

internal enum FailureKind
{
    /// <summary>The table takes less than is sent; again, slower.</summary>
    Throttled,

    /// <summary>5xx; again.</summary>
    Server,

    /// <summary>No connection, no answer or half an answer; again.</summary>
    Network,

    /// <summary>The credentials are expired or refused; again once with new ones.</summary>
    Credentials,

    /// <summary>An item of the request is not acceptable.</summary>
    Validation,

    /// <summary>Nothing that waiting would change.</summary>
    Fatal,
}

/// <summary>Why an attempt did not succeed.</summary>
/// <param name="Code">DynamoDB's error code, or the network's.</param>
/// <param name="Message">DynamoDB's own words, or the network's.</param>
internal sealed record TransferFailure(FailureKind Kind, string Code, string Message, Exception? Cause)
{
    public static TransferFailure? FromException(Exception exception) => exception switch
    {
        CredentialsAwayException => new TransferFailure(FailureKind.Network, "CredentialsUnavailable", ErrorText.Innermost(exception), exception),
        TimeoutException => new TransferFailure(FailureKind.Network, "Timeout", exception.Message, exception),
        HttpRequestException or IOException or SocketException =>
            new TransferFailure(FailureKind.Network, exception is HttpRequestException http ? http.HttpRequestError.ToString() : "Connection", ErrorText.Innermost(exception), exception),
        _ => null,
    };

    public static TransferFailure FromReply(DynamoDbReply reply)
    {
        var (code, message) = ReadError(reply.Body);
        var kind = code switch
        {
            _ when FailureCodes.IsThrottling(code) => FailureKind.Throttled,
            _ when FailureCodes.IsCredentialTrouble(code) => FailureKind.Credentials,
            "ValidationException" or "SerializationException" => FailureKind.Validation,
            // A global table is written in two Regions at the same time: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
            "RequestTimeout" or "InternalServerError" or "InternalFailure" or "ServiceUnavailable" or "ReplicatedWriteConflictException" => FailureKind.Server,
            _ when reply.Status == 413 => FailureKind.Validation,
            _ when reply.Status == 429 => FailureKind.Throttled,
            _ when reply.Status >= 500 => FailureKind.Server,
            _ => FailureKind.Fatal,
        };
        return new TransferFailure(
            kind,
            code.Length > 0 ? code : $"HTTP {reply.Status}",
            message.Length > 0 ? message : $"The endpoint answered with HTTP status {reply.Status} and no words.",
            null);
    }

    /// <summary>Code and message of <c>{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"…"}</c>; empty where it is something else.</summary>
    private static (string Code, string Message) ReadError(ReadOnlySpan<byte> body)
    {
        var code = string.Empty;
        var message = string.Empty;
        try
        {
            var reader = new Utf8JsonReader(body);
            while (reader.Read())
            {
                if (reader.TokenType != JsonTokenType.PropertyName || reader.CurrentDepth != 1)
                {
                    continue;
                }

                if (reader.ValueTextEquals("__type"u8) && reader.Read() && reader.TokenType == JsonTokenType.String)
                {
                    code = reader.GetString()!;
                    code = code[(code.LastIndexOf('#') + 1)..];
                }
                else if ((reader.ValueTextEquals("message"u8) || reader.ValueTextEquals("Message"u8)) && reader.Read() && reader.TokenType == JsonTokenType.String)
                {
                    message = reader.GetString()!;
                }
            }
        }
        catch (JsonException)
        {
            // A proxy on the way answers in HTML: the status alone decides.
        }

        return (code, message);
    }
}
