using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

/// <summary>
/// <c>SNAPSHOT#{run}#SETASIDE#{entity}#{range}#{digest of the key}</c>: a row that cannot be an item. The digest makes a row that is read again after a
/// crash the same item, and fits where the key itself might be too long.
/// </summary>
internal static class SetAsideItem
{
    private const string Kind = "set-aside";
    private const int Format = 1;
    private const int DigestBytes = 16;

    /// <summary>Another each time that the row is set aside.</summary>
    public const string Mark = "mark";

    public static string Prefix(string runId) => $"SNAPSHOT#{runId}#SETASIDE#";

    /// <summary>Prefix of the rows of one entity.</summary>
    public static string Prefix(string runId, string entity) => $"{Prefix(runId)}{entity}#";

    /// <summary>Prefix of the rows of one range.</summary>
    public static string Prefix(string runId, string entity, int range) => string.Create(CultureInfo.InvariantCulture, $"{Prefix(runId, entity)}{range:D6}#");

    public static Dictionary<string, AttributeValue> ToItem(string pk, string runId, int range, SetAsideRow row) =>
        ToItem(pk, Prefix(runId, row.Entity, range) + Digest(row.Key), row);

    /// <summary>The same under a sort key of another kind.</summary>
    public static Dictionary<string, AttributeValue> ToItem(string pk, string sk, SetAsideRow row) => new ControlItemBuilder(pk, sk, Kind, Format)
        .Set("entity", row.Entity)
        .Set("key", row.Key)
        .Set("reasonId", row.ReasonId)
        .Set("reason", row.Reason)
        .Set(Mark, Guid.NewGuid().ToString("N"))
        .Build();

    /// <summary>Stands for a row's key in a sort key.</summary>
    public static string Digest(string key) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(key)).AsSpan(0, DigestBytes));

    public static SetAsideRow FromItem(Dictionary<string, AttributeValue> attributes)
    {
        var item = new ControlItem(attributes, Kind, Format);
        return new SetAsideRow(item.String("entity"), item.String("key"), item.String("reasonId"), item.String("reason"));
    }
}
