using BillingMigration.Model;

namespace BillingMigration.Source.Drafting;

/// <summary>Which columns hold personal or secret data, judged by their names.</summary>
internal static class SensitiveNames
{
    private static readonly string[] Always =
    [
        "email", "mail", "surname", "birth", "birthday", "birthdate", "dob", "ssn", "sin", "nino", "passport", "iban", "bic", "cvv", "cvc", "pan", "phone",
        "mobile", "telephone", "fax", "msisdn", "imsi", "imei", "iccid", "address", "street", "zip", "zipcode", "postal", "postcode", "city", "password", "passwd",
        "pwd", "pin", "puk", "secret", "gender", "nationality", "note", "notes", "remark", "remarks", "comment", "comments", "memo", "licence", "license", "contact", "contacts", "company",
    ];

    private static readonly string[][] Phrases =
    [
        ["first", "name"], ["last", "name"], ["given", "name"], ["family", "name"], ["middle", "name"], ["maiden", "name"], ["full", "name"], ["display", "name"],
        ["contact", "name"], ["company", "name"], ["person", "name"], ["customer", "name"], ["client", "name"], ["account", "name"], ["organization", "name"], ["organisation", "name"], ["holder", "name"], ["user", "name"], ["account", "holder"], ["card", "number"], ["card", "no"], ["bank", "account"], ["tax", "id"], ["tax", "number"], ["tax", "no"],
        ["vat", "id"], ["vat", "number"], ["national", "id"], ["social", "security"], ["firstname"], ["lastname"], ["fullname"], ["e", "mail"], ["holder"],
    ];

    private static readonly string[] Identities = ["birth", "birthday", "birthdate", "dob"];

    public static bool IsSensitive(ColumnSchema column, string entity)
    {
        var words = NameWords.Of(column.Name);
        // A flag or a state about a thing is not the thing: email_verified, pin_status, phone_type.
        if (column.DataType is "enum" or "set" or "bit" || column.ColumnType.StartsWith("tinyint", StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        if (column.DataType is "date" or "datetime" or "timestamp" or "time" or "year" or "decimal" or "float" or "double")
        {
            return words.Any(Identities.Contains);
        }

        // address_id refers to an address.
        if (words.Count > 1 && words[^1] == "id" && column.IsInteger() && !EndsWithPhrase(words))
        {
            return false;
        }

        return words.Any(Always.Contains) || EndsWithPhrase(words)
            || (words.Count == 1 && words[0] == "name" && (entity is EntityProfile.Customer or EntityProfile.Subscriber or EntityProfile.Account));
    }

    public static bool IsPhone(ColumnSchema column) => NameWords.Of(column.Name).Any(w => w is "phone" or "msisdn" or "mobile" or "telephone");

    private static bool EndsWithPhrase(IReadOnlyList<string> words) => Phrases.Any(p => NameWords.EndsWith(words, p));
}
