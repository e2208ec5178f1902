using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// What DynamoDB says of a request that is too much at once. It counts items as they stand in the table, with all that other processes keep in them: only it knows.
/// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
/// </summary>
internal static class TooLarge
{
    /// <summary>True for more than 4 MB in a transaction: in parts it may be done.</summary>
    public static bool InAll(Exception exception) => Of(exception) is { } message && !IsOfItem(message);

    /// <summary>True for an item of more than 400 KB.</summary>
    public static bool AsItem(Exception exception) => Of(exception) is { } message && IsOfItem(message);

    private static bool IsOfItem(string message) => message.Contains("item size", StringComparison.OrdinalIgnoreCase);

    /// <returns>Null: it is something else.</returns>
    private static string? Of(Exception exception) => exception switch
    {
        AmazonDynamoDBException { ErrorCode: "ValidationException" } e when IsOfSize(e.Message) => e.Message,
        TransactionCanceledException e => e.CancellationReasons?.Find(r => r.Code == "ValidationError" && IsOfSize(r.Message))?.Message,
        _ => null,
    };

    private static bool IsOfSize(string? message) =>
        message?.Contains("size", StringComparison.OrdinalIgnoreCase) == true && !message.Contains("expression size", StringComparison.OrdinalIgnoreCase);
}
