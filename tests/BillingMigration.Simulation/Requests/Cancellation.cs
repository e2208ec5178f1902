namespace BillingMigration.Simulation;

/// <summary>Why one item of a transaction made it fail, or that it did not.</summary>
internal sealed record Cancellation(string Code, Item? Item, string? Message = null)
{
    public const string None = "None";
    public const string Conflict = "TransactionConflict";
    public const string ConditionFailed = "ConditionalCheckFailed";

    public static ServiceError Error(IReadOnlyList<Cancellation> reasons) => new(
        "TransactionCanceledException",
        $"Transaction cancelled, please refer cancellation reasons for specific reasons [{string.Join(", ", reasons.Select(r => r.Code))}]",
        details: json =>
        {
            json.WriteStartArray("CancellationReasons"u8);
            foreach (var reason in reasons)
            {
                json.WriteStartObject();
                json.WriteString("Code"u8, reason.Code);
                if (reason.Code != None)
                {
                    json.WriteString("Message"u8, reason.Message ?? "The item made the transaction fail: " + reason.Code);
                }

                if (reason.Item is not null)
                {
                    json.WritePropertyName("Item"u8);
                    ItemJson.Write(json, reason.Item);
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
        });
}
