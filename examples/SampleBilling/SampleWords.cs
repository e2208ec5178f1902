namespace SampleBilling;

/// <summary>Words that the rows are made of: many scripts, apostrophes, a combining accent, characters outside the basic plane.</summary>
internal static class SampleWords
{
    public static readonly string[] FirstNames =
    [
        "Anna", "Zoë", "Łukasz", "José", "Siân", "Nguyễn", "Søren", "Юрий", "Σοφία", "محمد", "李娜", "さくら", "Ayşe", "Björn", "Chloé", "Dmitri",
        "Éva", "François", "Gülay", "Héctor", "Ingrid", "Jürgen", "Katarína", "Lena", "Márta", "Noël", "Ólafur", "Priya", "Renée", "Şebnem",
        "Tomáš", "Uwe", "Vérane", "William", "Xènia", "Yael", "Željko", "Jose\u0301", "민준", "Ada",
    ];

    public static readonly string[] LastNames =
    [
        "Müller", "O'Brien", "Nowak", "García Márquez", "van den Berg", "Trần", "Jørgensen", "Иванова", "Παπαδόπουλος", "الحسن", "王", "佐藤",
        "Yıldız", "Åkesson", "Lefèvre", "Kowalczyk", "Szabó", "D'Angelo", "Çelik", "Fernández", "Šimek", "Schmidt-Weiß", "Horváth", "Smith",
        "Þórsson", "Patel", "Groß", "Demir", "Dvořák", "Bauer", "Núñez", "Kovačević", "김", "Lovelace",
    ];

    public static readonly string[] Companies =
    [
        "Nordlicht Energie", "Café Zentral", "Østkyst Logistik", "Żabka Serwis", "Bäckerei Groß & Söhne", "Tech \"Nine\" Ltd", "株式会社ひかり",
        "ООО Восток", "Ibérica de Redes", "L'Atelier Réseau", "Alpha/Beta Consulting", "Große Freiheit 7",
    ];

    public static readonly string[] LegalForms = ["GmbH", "AG", "S.A.", "Sp. z o.o.", "Ltd", "ApS", "B.V."];

    public static readonly string[] Cities =
        ["Berlin", "München", "Zürich", "Kraków", "São Paulo", "Ålborg", "Αθήνα", "東京", "Saint-Étienne", "Málaga", "Łódź", "Dún Laoghaire"];

    public static readonly string[] Streets =
        ["Hauptstraße", "Rue de l'Église", "ulica Długa", "Calle Mayor", "\"Am Markt\"", "Bahnhofstr.", "Östra Hamngatan", "Мира улица", "中央通り"];

    public static readonly string[] Countries = ["DE", "FR", "PL", "ES", "CH", "DK", "GR", "JP", "BR", "IE"];

    public static readonly string[] Languages = ["de", "en", "fr", "pl", "es", "ja", "el"];

    public static readonly string[] Notes =
    [
        "calls back after 17:00 📞", "line one\nline two\twith a tab", "path C:\\bills\\2025", "prefers \"paper\" bills", "VIP 🎉 — do not bar",
        "moved; see ticket #4711", " leading and trailing spaces ", "Übergabe an Büro Süd",
    ];

    public static readonly string[] Products =
        ["MOBILE-S", "MOBILE-M", "MOBILE-L", "MOBILE-UNLIMITED", "DATA-10GB", "DATA-50GB", "ROAM-EU", "ROAM-WORLD", "IOT-1", "VOICE-FLAT"];

    public static readonly string[] Features =
        ["VOICE,DATA,SMS", "VOICE,DATA,SMS,ROAMING", "DATA", "VOICE", "VOICE,SMS", "", "DATA,ROAMING", "SMS"];

    public static readonly string[] Currencies = ["EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "USD", "GBP", "PLN"];

    public static readonly string[] PaymentMethods = ["DIRECT_DEBIT", "INVOICE", "CARD"];

    public static readonly string[] UsageKinds = ["Data usage, MB", "Voice minutes, national", "Voice minutes, EU", "SMS", "Roaming data, MB", "Datennutzung außerhalb der EU"];

    public static readonly string[] OneTimeKinds = ["SIM card", "Activation", "Device instalment", "Rufnummernmitnahme", "Late payment fee"];
}
